//! A WebSocket client.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue},
};

use super::Branch;

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What came: a message, or the code the server closed with.
#[derive(Debug, PartialEq)]
pub enum Came {
    Json(Value),
    Closed(u16),
}

impl Socket {
    pub async fn open(
        branch: &Branch,
        cookie: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Self, u16> {
        let url = format!("ws://{}/api/v1/ws", branch.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in [("cookie", cookie), ("origin", origin)] {
            if let Some(value) = value {
                request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn customer(branch: &Branch, token: &str) -> Self {
        let mut socket = Self::open(branch, None, None).await.unwrap();
        socket.send(json!({"type": "hello", "token": token})).await;
        socket
    }

    pub async fn staff(branch: &Branch, cookie: &str) -> Self {
        let mut socket = Self::open(branch, Some(cookie), None).await.unwrap();
        socket.send(json!({"type": "hello"})).await;
        socket
    }

    pub async fn send(&mut self, message: Value) {
        self.send_text(message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: String) {
        // The server may have hung up: what it said then is still to be read.
        let _ = self.0.send(Message::text(text)).await;
    }

    pub async fn next(&mut self) -> Came {
        loop {
            let frame = timeout(Duration::from_secs(10), self.0.next()).await;
            match frame.expect("nothing came") {
                Some(Ok(Message::Text(text))) => {
                    return Came::Json(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(frame))) => {
                    return Came::Closed(frame.map_or(0, |f| f.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Came::Closed(0),
            }
        }
    }

    pub async fn json(&mut self) -> Value {
        match self.next().await {
            Came::Json(value) => value,
            Came::Closed(code) => panic!("closed with {code}"),
        }
    }

    /// Reads on until a message is as wanted.
    pub async fn until(&mut self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let message = self.json().await;
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Reads on until the server hangs up.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Came::Closed(code) = self.next().await {
                return code;
            }
        }
    }
}
