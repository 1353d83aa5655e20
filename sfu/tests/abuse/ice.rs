//! Cases 16 to 18: STUN and ICE.

use std::net::Ipv4Addr;

use tokio::net::UdpSocket;
use vbranch_domain::ParticipantId;

use crate::{
    branch::run,
    client::{Identity, check},
    gauges::gauge,
    handshake::answers,
    wire::client_hello,
};

/// Who never authenticated gets nothing back, so that the server cannot be made to send to others.
#[test]
fn case_16_stun_reflection() {
    run(async |branch| {
        let who = ParticipantId::random();
        let connecting = branch.answer(who, Identity::new()).await?;
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut bare = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bare.extend([9; 12]);
        let mut username = bare.clone();
        let name = connecting.username();
        username.extend([0, 6, 0, u8::try_from(name.len())?]);
        username.extend(name.bytes());
        username.resize(username.len().next_multiple_of(4), 0);
        username[3] = u8::try_from(username.len() - 20)?;
        let guessed = check("0123456789ab:abcd", "guessed");
        let allocate = [&[0, 3][..], &bare[2..]].concat();
        let hello = client_hello(0, &[], &[0xc02b]);
        let media = [&[0x80, 111][..], &[1; 40]].concat();
        for datagram in [&bare, &username, &guessed, &allocate, &hello, &media] {
            for _ in 0..20 {
                stranger.send_to(datagram, branch.address()).await?;
            }
        }
        assert!(answers(&stranger).await.is_empty(), "a stranger was answered");
        Ok(())
    });
}

#[test]
fn case_17_stun_bad_integrity() {
    run(async |branch| {
        let (_, client) = branch.third_party().await?;
        let (_, mut watcher) = branch.third_party().await?;
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let name = watcher.setup.username();
        let mut damaged = watcher.setup.check();
        damaged[12] ^= 1;
        let mut cut = watcher.setup.check();
        cut.truncate(cut.len() - 8); // the fingerprint
        for datagram in [check(&name, "not the password"), check(&name, ""), damaged, cut] {
            stranger.send_to(&datagram, branch.address()).await?;
        }
        // Nobody was answered, and the watcher's media goes where it went.
        client.send_rtp(&client.sound(1, b"for the watcher")).await;
        watcher.receive_until("sound", |r| r.has(b"for the watcher")).await?;
        let heard = answers(&stranger).await;
        // A check without its fingerprint is still one made with the password (RFC 8489 section
        // 14.7); nothing else may have been taken for one.
        assert!(heard.len() <= 1, "{} answers", heard.len());
        Ok(())
    });
}

/// Thousands of addresses, each with a valid check: the table of addresses stays small, and the
/// client keeps its connection.
#[test]
fn case_18_ice_candidate_flood() {
    run(async |branch| {
        let (_, mut client) = branch.third_party().await?;
        let before = gauge("vbranch_sfu_addresses");
        let mut answered = 0;
        for n in 0..3000u32 {
            let [_, _, b, c] = n.to_be_bytes();
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 1, b, c), 0)).await?;
            socket.send_to(&client.setup.check(), branch.address()).await?;
            let mut buffer = [0; 256];
            let answer = socket.recv_from(&mut buffer);
            let wait = std::time::Duration::from_millis(200);
            answered += u32::from(tokio::time::timeout(wait, answer).await.is_ok());
        }
        assert!(answered > 1000, "the flood did not take place: {answered} answers");
        let known = gauge("vbranch_sfu_addresses") - before;
        assert!((1.0..=16.0).contains(&known), "{known} addresses more");
        client.setup.prove(&client.socket.clone()).await?;
        let (_, speaker) = branch.third_party().await?;
        speaker.send_rtp(&speaker.sound(1, b"back")).await;
        client.receive_until("sound", |r| r.has(b"back")).await?;
        Ok(())
    });
}
