//! A mail server of a few lines that can be down, hang, refuse and say "later".

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Takes everything.
    Well,
    /// Accepts connections and says nothing.
    Silent,
    /// Takes the mail, and never says so.
    SilentAtTheEnd,
    /// Answers RCPT with this line.
    Rcpt(&'static str),
    /// Says nothing to a RCPT that has this in it.
    SilentAbout(&'static str),
    /// Thinks so long about each mail before it says that it has taken it.
    Slow(Duration),
}

/// Everything that it took, as sent.
pub type Mails = Arc<Mutex<Vec<String>>>;

/// It is down when dropped.
pub struct FakeSmtp {
    pub port: u16,
    pub mails: Mails,
    accepting: JoinHandle<()>,
}

impl FakeSmtp {
    pub async fn start(mood: Mood) -> Self {
        Self::start_on(0, mood).await
    }

    pub async fn start_on(port: u16, mood: Mood) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mails = Mails::default();
        let taken = Arc::clone(&mails);
        let accepting = tokio::spawn(async move {
            // Its dialogues end with it.
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                serving.spawn(serve(stream, mood, Arc::clone(&taken)));
            }
        });
        Self { port, mails, accepting }
    }

    pub fn count(&self) -> usize {
        self.mails.lock().expect("a lock").len()
    }
}

impl Drop for FakeSmtp {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A port on which nobody listens.
pub async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").port()
}

async fn serve(stream: TcpStream, mood: Mood, mails: Mails) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    if mood == Mood::Silent {
        while lines.next_line().await?.is_some() {}
        return Ok(());
    }
    write.write_all(b"220 fake\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match (word.as_str(), mood) {
            ("EHLO", _) => "250-fake\r\n250 8BITMIME",
            ("RCPT", Mood::Rcpt(answer)) => answer,
            ("RCPT", Mood::SilentAbout(what)) if line.contains(what) => {
                while lines.next_line().await?.is_some() {}
                return Ok(());
            }
            ("DATA", _) => {
                write.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    mail += &line;
                    mail += "\n";
                }
                mails.lock().expect("a lock").push(mail);
                if let Mood::Slow(pause) = mood {
                    tokio::time::sleep(pause).await;
                }
                if mood == Mood::SilentAtTheEnd {
                    while lines.next_line().await?.is_some() {}
                    return Ok(());
                }
                "250 taken"
            }
            ("QUIT", _) => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "250 fine",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
