// Takes new messages in without a reload, so that what is open stays open until something arrives.
'use strict';

const localTimes = () => {
  for (const time of document.querySelectorAll('time')) time.textContent = new Date(time.dateTime).toLocaleTimeString();
};

const look = async () => {
  try {
    const answer = await fetch(location.href, { cache: 'no-store' });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const [shown, fresh] = [document.querySelector('main'), page.querySelector('main')];
    if (shown.dataset.newest === fresh.dataset.newest) return;
    shown.replaceWith(document.adoptNode(fresh));
    localTimes();
  } catch {
    // The gateway restarts while one develops: it will be back.
  }
};

localTimes();
setInterval(() => document.hidden || look(), 1500);
document.addEventListener('visibilitychange', look);
