//! An S3 server for tests (`s3-server/serve.py`), and a bad line to it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
};

use crate::store::{S3Settings, Secret};

/// The server's process; ends with its standard input.
pub(crate) struct S3Server {
    child: Child,
    input: Option<ChildStdin>,
    hello: Hello,
}

#[derive(serde::Deserialize)]
struct Hello {
    port: u16,
    access_key: String,
    secret_key: String,
}

impl S3Server {
    /// `None`, said plainly, where there is no Python that could run it and none was asked for.
    pub(crate) fn start() -> Option<Self> {
        let asked = std::env::var("VBRANCH_S3_PYTHON").ok();
        let python = asked.as_deref().unwrap_or("python3");
        let able = Command::new(python).args(["-c", "import boto3, moto.server"]).output();
        if !able.is_ok_and(|output| output.status.success()) {
            assert!(asked.is_none(), "{python} cannot import moto");
            println!("skipped: no Python with moto (VBRANCH_S3_PYTHON)");
            return None;
        }
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/s3-server/serve.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let hello = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        Some(Self { child, input, hello })
    }

    /// A bucket of the server, with its credential. There are `plain`, `versioned`, `lockable` and
    /// `locked`, and `keys`.
    pub(crate) fn bucket(&self, bucket: &str) -> S3Settings {
        S3Settings {
            endpoint: Some(format!("http://127.0.0.1:{}", self.hello.port)),
            region: "us-east-1".to_owned(),
            bucket: bucket.to_owned(),
            prefix: "branch-1".to_owned(),
            keys_bucket: Some("keys".to_owned()),
            access_key: self.hello.access_key.clone(),
            secret_key: Secret::from(self.hello.secret_key.clone()),
            write_once: false,
            lock_days: 0,
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// How a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineMood {
    /// As it should be.
    Well,
    /// Every connection is closed at once.
    Closed,
    /// Connections are taken, and nothing comes back.
    Silent,
    /// Every request is answered with status 500.
    Failing,
}

/// A line to a server, in between which one can reach.
pub(crate) struct Line {
    port: u16,
    state: Arc<LineState>,
}

struct LineState {
    to: u16,
    mood: Mutex<(LineMood, Vec<TcpStream>)>,
    changed: Condvar,
}

impl Line {
    pub(crate) fn to(server: &S3Server) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(LineState {
            to: server.hello.port,
            mood: Mutex::new((LineMood::Well, Vec::new())),
            changed: Condvar::new(),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Self { port, state }
    }

    /// The same bucket at the other end of the line.
    pub(crate) fn through(&self, settings: S3Settings) -> S3Settings {
        S3Settings { endpoint: Some(format!("http://127.0.0.1:{}", self.port)), ..settings }
    }

    /// Changes how the line is; connections there are end.
    pub(crate) fn set(&self, mood: LineMood) {
        let mut state = self.state.mood.lock().unwrap();
        state.0 = mood;
        for stream in state.1.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.state.changed.notify_all();
    }
}

impl LineState {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mood = {
            let mut state = self.mood.lock().unwrap();
            state.1.push(stream.try_clone()?);
            state.0
        };
        match mood {
            LineMood::Closed => stream.shutdown(Shutdown::Both),
            LineMood::Silent => {
                let state = self.mood.lock().unwrap();
                drop(self.changed.wait_while(state, |state| state.0 == LineMood::Silent));
                Ok(())
            }
            LineMood::Failing => {
                let mut some = [0; 4096];
                let _ = stream.read(&mut some)?;
                stream.write_all(
                    b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                )
            }
            LineMood::Well => {
                let far = TcpStream::connect((Ipv4Addr::LOCALHOST, self.to))?;
                self.mood.lock().unwrap().1.push(far.try_clone()?);
                let (mut from, mut to) = (far.try_clone()?, stream.try_clone()?);
                let back = std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
                let mut far = far;
                let _ = std::io::copy(&mut stream, &mut far);
                let _ = far.shutdown(Shutdown::Both);
                let _ = back.join();
                Ok(())
            }
        }
    }
}
