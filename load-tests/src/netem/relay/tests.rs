use super::*;
use crate::netem::Conditions;

const PATIENCE: Duration = Duration::from_secs(10);

/// Sends until an answer comes; gives the sender's address as the server saw it.
async fn ask(client: &UdpSocket, server: &UdpSocket) -> SocketAddr {
    let exchange = async {
        let mut buffer = [0; 100];
        let seen = loop {
            client.send(b"?").await.unwrap();
            let wait = Duration::from_millis(50);
            if let Ok(got) = time::timeout(wait, server.recv_from(&mut buffer)).await {
                break got.unwrap().1;
            }
        };
        server.send_to(b"!", seen).await.unwrap();
        client.recv(&mut buffer).await.unwrap();
        seen
    };
    time::timeout(PATIENCE, exchange).await.unwrap()
}

#[tokio::test]
async fn clients_come_from_addresses_of_their_own_and_may_change_them() {
    let server = socket().await.unwrap();
    let address = server.local_addr().unwrap();
    let relay = Relay::open(address, Network::default(), 1).await.unwrap();
    let (a, b) = (socket().await.unwrap(), socket().await.unwrap());
    a.connect(relay.address()).await.unwrap();
    b.connect(relay.address()).await.unwrap();

    let (first, second) = (ask(&a, &server).await, ask(&b, &server).await);
    assert_ne!(first, second);
    assert_eq!(ask(&a, &server).await, first, "an address stays");

    relay.change_address().await.unwrap();
    assert_ne!(ask(&a, &server).await, first);
    server.send_to(b"late", first).await.unwrap();
    let mut buffer = [0; 100];
    assert!(
        time::timeout(Duration::from_millis(100), a.recv(&mut buffer)).await.is_err(),
        "what goes to the old address is lost"
    );
    assert_eq!(relay.totals().await.unwrap().clients, 2);
}

#[tokio::test]
async fn a_blackout_ends_and_conditions_can_be_changed() {
    let server = socket().await.unwrap();
    let all_lost = Conditions {
        loss: crate::netem::Loss::Uniform(crate::netem::Probability::ONE),
        ..Conditions::default()
    };
    let address = server.local_addr().unwrap();
    let relay = Relay::open(address, Network::both(all_lost), 1).await.unwrap();
    let client = socket().await.unwrap();
    client.connect(relay.address()).await.unwrap();
    client.send(b"?").await.unwrap();
    while relay.totals().await.unwrap().up.lost == 0 {
        time::sleep(Duration::from_millis(5)).await;
    }
    relay.change(Network::default()).await.unwrap();
    relay.black_out(Duration::from_millis(100)).await.unwrap();
    ask(&client, &server).await;
    assert!(relay.totals().await.unwrap().up.blacked_out > 0);
}
