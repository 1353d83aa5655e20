//! Networks that move, break or block UDP, and who abuses that.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time,
};
use vbranch_domain::{Leg, MediaKind, ParticipantId, TrackId};

use crate::{
    branch::{PATIENCE, eventually, run},
    client::Identity,
};

/// A network address translator gives the client another address in the middle of a call: its
/// media goes on from there, and what it is sent follows, without a new connection.
#[test]
fn media_follows_a_client_whose_address_changes() {
    run(async |branch| {
        let (who, mut client) = branch.third_party().await?;
        let (_, mut other) = branch.third_party().await?;
        client.send_rtp(&client.sound(1, b"from here")).await;
        other.receive_until("sound", |r| r.has(b"from here")).await?;
        client.socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let mut seq = 2;
        while !client.received.has(b"to there") {
            client.send_rtp(&client.sound(seq, b"from there")).await;
            other.send_rtp(&other.sound(seq, b"to there")).await;
            seq += 1;
            assert!(seq < 300, "media did not follow");
            client.drain().await;
        }
        other.receive_until("sound", |r| r.has(b"from there")).await?;
        assert_eq!(branch.legs(who), [Leg(0)]);
        Ok(())
    });
}

/// New ICE credentials for a connection that is there: the same leg, the same keys, another way.
#[test]
fn an_ice_restart_keeps_the_leg() {
    run(async |branch| {
        let (who, mut client) = branch.third_party().await?;
        let (_, mut other) = branch.third_party().await?;
        client.send_rtp(&client.sound(1, b"before")).await;
        other.receive_until("sound", |r| r.has(b"before")).await?;
        let again = branch.answer(who, client.setup.identity.restarted()).await?;
        assert_ne!(again.server_ufrag, client.setup.server_ufrag);
        // Until the new way is proven the old one serves.
        client.send_rtp(&client.sound(2, b"meanwhile")).await;
        other.receive_until("sound", |r| r.has(b"meanwhile")).await?;
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        again.prove(&socket).await?;
        (client.setup, client.socket) = (again, socket);
        client.send_rtp(&client.sound(3, b"after")).await;
        other.receive_until("sound", |r| r.has(b"after")).await?;
        other.send_rtp(&other.sound(1, b"and back")).await;
        client.receive_until("sound", |r| r.has(b"and back")).await?;
        assert_eq!(branch.legs(who), [Leg(0)]);
        Ok(())
    });
}

/// A gateway may run several clients from one port.
#[test]
fn two_clients_behind_one_address_are_told_apart() {
    run(async |branch| {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let mut clients = vec![];
        for _ in 0..2 {
            let who = ParticipantId::random();
            let connecting = branch.answer(who, Identity::new()).await?;
            clients.push((who, connecting.connect_over(socket.clone()).await?));
        }
        for seq in 0..10 {
            for (_, client) in &clients {
                client.send_rtp(&client.sound(seq, b"one of two")).await;
            }
        }
        for (who, _) in &clients {
            let track = TrackId { participant: *who, kind: MediaKind::Audio };
            eventually("all sound of both", || branch.taped(track).frames == 10).await?;
        }
        Ok(())
    });
}

fn framed(packet: &[u8]) -> Vec<u8> {
    let len = u16::try_from(packet.len()).unwrap();
    [&len.to_be_bytes()[..], packet].concat()
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    matches!(
        time::timeout(Duration::from_millis(1), stream.read(&mut byte)).await,
        Ok(Ok(0) | Err(_))
    )
}

/// Connections that send a byte and wait: one address gets a few of them, and none keeps a client
/// with a valid check from its own.
#[test]
fn slow_and_many_tcp_connections_are_bounded() {
    run(async |branch| {
        let who = ParticipantId::random();
        let connecting = branch.answer(who, Identity::new()).await?;
        let mut slow = vec![];
        for _ in 0..200 {
            let mut stream = TcpStream::connect(branch.address()).await?;
            let _ = stream.write_all(&[0]).await;
            slow.push(stream);
        }
        let mut open = slow.len();
        for _ in 0..50 {
            open = 0;
            for stream in &mut slow {
                open += usize::from(!is_closed(stream).await);
            }
            if open <= 64 {
                break;
            }
        }
        assert!(open <= 64, "{open} connections of one address");
        drop(slow);
        // The same address, once it behaves.
        let answered = async {
            loop {
                let mut stream = TcpStream::connect(branch.address()).await?;
                let _ = stream.write_all(&framed(&connecting.check())).await;
                let mut head = [0; 4];
                let read = time::timeout(Duration::from_secs(1), stream.read_exact(&mut head));
                if matches!(read.await, Ok(Ok(_))) {
                    return anyhow::Ok(head);
                }
            }
        };
        let head = time::timeout(PATIENCE, answered).await??;
        assert_eq!(head[2..], [1, 1], "no binding success");
        Ok(())
    });
}

#[test]
fn a_tcp_frame_longer_than_a_packet_ends_the_connection() {
    run(async |branch| {
        for junk in [&[0xff, 0xff, 1, 2, 3][..], b"GET / HTTP/1.1\r\n\r\n"] {
            let mut stream = TcpStream::connect(branch.address()).await?;
            stream.write_all(junk).await?;
            let mut byte = [0];
            let read = time::timeout(PATIENCE, stream.read(&mut byte)).await?;
            assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        }
        Ok(())
    });
}

/// As many tiny frames as TCP carries, on many connections at once, cost neither the call nor
/// memory.
#[test]
fn floods_of_tiny_tcp_frames_cost_no_memory() {
    run(async |branch| {
        let before = crate::branch::resident_kib();
        let flood: Vec<u8> = [0, 1, 0x80].repeat(100_000);
        let mut tasks = vec![];
        for _ in 0..32 {
            let (mut stream, flood) = (TcpStream::connect(branch.address()).await?, flood.clone());
            tasks.push(tokio::spawn(async move {
                for _ in 0..5 {
                    if stream.write_all(&flood).await.is_err() {
                        return;
                    }
                }
            }));
        }
        branch.still_flows().await?;
        let highest = crate::branch::resident_kib();
        for task in tasks {
            task.abort();
        }
        // The flood itself takes about 10 MiB here.
        let grown = highest.saturating_sub(before);
        assert!(grown < 96 << 10, "{grown} KiB more");
        Ok(())
    });
}
