//! Mail scanners, previews and crawlers: they open every link, often.

use reqwest::Method;

use super::{ADA, NEW_PASSWORD, PATHS, account, browser::Browser, gateway, links};

// A15
#[tokio::test]
async fn opening_a_link_uses_nothing_up_and_its_button_does() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    let all = links(&gateway, &visitor).await;
    for link in &all {
        for _ in 0..5 {
            for method in [Method::HEAD, Method::GET] {
                let scanner = Browser::of(&gateway.visitor());
                let page = scanner.send(scanner.request(method, link)).await;
                assert_eq!(page.status, 200, "{link}");
            }
        }
    }
    let browser = Browser::of(&visitor);
    // The reset comes last: it ends the other links of the account.
    for (index, link) in all.iter().enumerate().filter(|(index, _)| *index != 1).chain([(1, &all[1])]) {
        let page = browser.open(link).await;
        let typed: &[_] = if index == 1 { &[("newPassword", NEW_PASSWORD), ("repeated", NEW_PASSWORD)] } else { &[] };
        let done = browser.press(&page, typed).await;
        assert_eq!(done.status, 200, "{}: {}", PATHS[index], done.html);
        // A14: once.
        browser.press(&page, typed).await.expect(410, "This link is not valid, or was used");
        browser.open(link).await.expect(410, "This link is not valid, or was used");
    }
    gateway.read_all(ADA).await;
}

// A15: what asks for its token is not followed, and nothing in a page leads anywhere else with it.
#[tokio::test]
async fn a_page_holds_its_token_once_and_leads_nowhere() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    for link in links(&gateway, &visitor).await {
        let page = Browser::of(&visitor).open(&link).await;
        let token = link.split_once("token=").unwrap().1.split('&').next().unwrap();
        assert_eq!(page.html.matches(token).count(), 1);
        assert_eq!(page.input("token")["value"], token);
        assert!(page.tags("a").is_empty() && page.tags("link").is_empty() && page.tags("img").is_empty());
        assert!(page.headers.values().all(|value| !value.to_str().unwrap_or_default().contains(token)), "D13");
        assert_eq!(page.header("x-robots-tag"), "noindex");
    }
    gateway.read_all(ADA).await;
}
