//! A receiver of webhooks of a test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

/// What was asked: method and path, headers in lower case, body.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path.
    pub line: String,
    /// Header lines, names in lower case.
    pub headers: Vec<String>,
    /// The body.
    pub body: String,
}

/// A receiver; it answers every request with one status.
pub struct HookServer {
    /// Its port on 127.0.0.1.
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    status: Arc<Mutex<String>>,
}

impl HookServer {
    /// Starts one; its thread ends with the test.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let status = Arc::new(Mutex::new("200 OK".to_owned()));
        let (list, word) = (Arc::clone(&asked), Arc::clone(&status));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let mut reader = BufReader::new(stream);
                let mut lines = Vec::new();
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                        break;
                    }
                    lines.push(line.trim().to_owned());
                }
                if lines.is_empty() {
                    continue;
                }
                let line = lines.remove(0);
                let lower = |l: String| l.split_once(':').map(|(n, v)| format!("{}:{v}", n.to_lowercase())).unwrap_or(l);
                let headers: Vec<String> = lines.into_iter().map(lower).collect();
                let length = headers.iter().find_map(|h| h.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
                let mut body = vec![0; length];
                let _ = reader.read_exact(&mut body);
                let body = String::from_utf8_lossy(&body).into_owned();
                list.lock().unwrap_or_else(PoisonError::into_inner).push(Asked { line, headers, body });
                let word = word.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let _ = write!(reader.get_mut(), "HTTP/1.1 {word}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
            }
        });
        Self { port, asked, status }
    }

    /// What was asked until now.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it answers from now on, with further header lines after the first.
    pub fn answer(&self, status: &str) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status.to_owned();
    }
}
