//! Cases 1 to 3: the DTLS handshake.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{net::UdpSocket, time};
use vbranch_domain::ParticipantId;
use vbranch_sfu::SfuEvent;

use crate::{
    branch::{resident_kib, run},
    client::Identity,
    wire::{client_hello, dtls_record, handshake_message},
};

/// TLS_ECDHE_ECDSA_WITH_NULL_SHA, TLS_ECDHE_RSA_WITH_NULL_SHA, TLS_RSA_WITH_NULL_SHA256.
const NULL_CIPHERS: [u16; 3] = [0xc006, 0xc010, 0x003b];
/// TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256.
const GOOD_CIPHER: u16 = 0xc02b;

async fn socket() -> Arc<UdpSocket> {
    Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap())
}

/// The datagrams that come until nothing has come for a while.
pub async fn answers(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let (mut all, mut buffer) = (vec![], [0; 2048]);
    while let Ok(Ok((len, _))) =
        time::timeout(Duration::from_millis(300), socket.recv_from(&mut buffer)).await
    {
        all.push(buffer[..len].to_vec());
    }
    all
}

/// Somebody else's handshake neither gets in before the client's nor disturbs it afterwards.
#[test]
fn case_01_client_hello_race() {
    run(async |branch| {
        let (who, racer) = (ParticipantId::random(), socket().await);
        let connecting = branch.answer(who, Identity::new()).await?;
        let own = socket().await;
        let hello = client_hello(0, &[], &[GOOD_CIPHER]);
        racer.send_to(&hello, branch.address()).await?;
        connecting.prove(&own).await?;
        racer.send_to(&hello, branch.address()).await?;
        let mut client = connecting.shake_hands(own).await?;
        racer.send_to(&hello, branch.address()).await?;
        assert!(answers(&racer).await.is_empty(), "a stranger's handshake was answered");
        // From the client's own address, too, a new handshake does not replace the one that is.
        for number in 0..5 {
            client.send(&client_hello(number, &[], &[GOOD_CIPHER])).await;
        }
        let (_, watcher) = &mut branch.third_party().await?;
        client.send_rtp(&client.sound(1, b"still me")).await;
        watcher.receive_until("sound", |r| r.has(b"still me")).await?;
        client.drain().await;
        assert!(!client.received.closed);
        Ok(())
    });
}

#[test]
fn case_02_null_cipher_client_hello() {
    run(async |branch| {
        let (who, own) = (ParticipantId::random(), socket().await);
        let connecting = branch.answer(who, Identity::new()).await?;
        connecting.prove(&own).await?;
        own.send_to(&client_hello(0, &[], &NULL_CIPHERS), branch.address()).await?;
        let mut heard = answers(&own).await;
        // HelloVerifyRequest (RFC 6347 section 4.2.1): version, then the cookie to come back with.
        let cookie = heard.iter().find(|d| d.first() == Some(&22) && d.get(13) == Some(&3));
        if let Some(cookie) = cookie.and_then(|d| d.get(28..)) {
            let again = client_hello(1, cookie, &NULL_CIPHERS);
            own.send_to(&again, branch.address()).await?;
            heard.extend(answers(&own).await);
        }
        let server_hello = |d: &Vec<u8>| d.first() == Some(&22) && d.get(13) == Some(&2);
        assert!(!heard.iter().any(server_hello), "a null cipher was agreed on");
        assert!(!branch.was_connected(who));
        Ok(())
    });
}

#[test]
fn case_03_dtls_fingerprint_mismatch() {
    run(async |branch| {
        let who = ParticipantId::random();
        // The offer is of one certificate, the handshake made with another.
        let identity = Identity { fingerprint: Identity::new().fingerprint, ..Identity::new() };
        let client = branch.answer(who, identity).await?.connect().await;
        let gone = |e: &SfuEvent| matches!(e, SfuEvent::Disconnected { participant, .. } if *participant == who);
        branch.event(gone).await?;
        if let Ok(client) = client {
            client.send_rtp(&client.sound(1, b"impostor")).await;
        }
        branch.still_flows().await?;
        assert!(!branch.was_connected(who));
        assert!(branch.legs(who).is_empty());
        Ok(())
    });
}

/// Fragments of nothing, of messages that are never reached: memory of the handshake must not
/// grow with them, neither before nor after it.
#[test]
fn a_handshake_of_endless_fragments_costs_no_memory() {
    run(async |branch| {
        let (who, own) = (ParticipantId::random(), socket().await);
        let connecting = branch.answer(who, Identity::new()).await?;
        connecting.prove(&own).await?;
        let before = resident_kib();
        flood_fragments(&own, branch.address()).await;
        let (_, client) = branch.third_party().await?;
        flood_fragments(&client.socket, branch.address()).await;
        let (_, watcher) = &mut branch.third_party().await?;
        client.reaches(watcher, 1, b"hello").await?;
        let grown = resident_kib().saturating_sub(before);
        assert!(grown < 24 << 10, "{grown} KiB more");
        Ok(())
    });
}

async fn flood_fragments(socket: &UdpSocket, server: std::net::SocketAddr) {
    for n in 0..6000u64 {
        let fragment = handshake_message(11, 500 + (n % 1000) as u16, &[]);
        let record = dtls_record(22, 100 + n, &fragment.repeat(115));
        let _ = socket.send_to(&record, server).await;
        if n % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
}
