//! Keys come into force and go out of it while the service runs.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::time::Duration;

use holdfast_tests::sample::BODY;
use holdfast_tests::{ApiKey, Client, Server};
use http::{Method, StatusCode};
use tokio::time::{Instant, sleep, timeout};

/// A signal is heard within this time.
const PATIENCE: Duration = Duration::from_secs(20);

async fn status(client: &Client, key: &ApiKey) -> StatusCode {
    let headers = [("authorization", key.bearer.as_str())];
    let answer = client.pay_with("k", BODY, &headers).await.unwrap();
    answer.status
}

/// Waits until a key is in force, or no more.
async fn becomes(client: &Client, key: &ApiKey, expected: StatusCode) {
    let began = Instant::now();
    while status(client, key).await != expected {
        assert!(
            began.elapsed() < PATIENCE,
            "the key never became {expected}"
        );
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_from_a_file_that_can_be_read_once_are_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let key = ApiKey::of("shop", "merchant");
    let writer = std::thread::spawn({
        let (pipe, block) = (pipe.clone(), key.block.clone());
        move || std::fs::write(pipe, block).unwrap()
    });
    let arguments = ["--config", pipe.to_str().unwrap()];
    let server = Server::start(&directory.path().join("data"), &arguments);
    writer.join().unwrap();
    let client = server.client();
    assert_eq!(
        client.pay("k", BODY).await.unwrap().status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(status(&client, &key).await, StatusCode::CREATED);
}

/// A key belongs to its merchant by name: under another name every known key would be a new one, and charged again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merchant_with_payments_is_never_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (
        directory.path().join("data"),
        directory.path().join("holdfast.toml"),
    );
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let configured = ["--config", file.to_str().unwrap()];
    let refused = |expected: &str| {
        let (code, said) = Server::try_start(&data, &configured)
            .err()
            .expect("it is refused");
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    let server = Server::start(&data, &[]);
    let first = server.client().pay("k", BODY).await.unwrap();
    server.kill();

    // The first keys of a store that was used without any.
    let [shop, default, renamed] =
        ["shop", "default", "Shop"].map(|name| ApiKey::of(name, "merchant"));
    write(&shop.block);
    refused("have no API key: default");
    refused("merchant = \"default\"");
    write(&(shop.block.clone() + &default.block));
    let server = Server::start(&data, &configured);
    let headers = [("authorization", default.bearer.as_str())];
    let again = server.client().pay_with("k", BODY, &headers).await.unwrap();
    assert_eq!(again.frozen(), first.frozen());
    assert_eq!(status(&server.client(), &shop).await, StatusCode::CREATED);

    // A reload that forgets one, or misspells it, changes nothing.
    for text in [
        default.block.clone(),
        default.block.clone() + &renamed.block,
        format!(
            "retired_merchants = [\"shop\"]\n{}{}",
            default.block, renamed.block
        ),
    ] {
        write(&text);
        server.signal("HUP");
        sleep(Duration::from_millis(200)).await;
        assert_eq!(status(&server.client(), &shop).await, StatusCode::CREATED);
        assert_eq!(
            status(&server.client(), &renamed).await,
            StatusCode::UNAUTHORIZED
        );
    }
    // One that retires it does.
    let retired = format!("retired_merchants = [\"shop\"]\n{}", default.block);
    write(&retired);
    server.signal("HUP");
    becomes(&server.client(), &shop, StatusCode::UNAUTHORIZED).await;
    server.kill();

    Server::start(&data, &configured).kill();
    write(&(default.block.clone() + &renamed.block));
    refused("differs from shop only in upper and lower case");
    write(&default.block);
    refused("retired_merchants = [\"shop\"]");
    // Without keys everyone is `default`.
    write("retired_merchants = [\"shop\"]\n");
    Server::start(&data, &configured).kill();
    Server::start(&data, &["--retired-merchants", "shop,gone"]).kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_and_revoked_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("holdfast.toml");
    let [old, new, other] = ["shop", "shop", "mall"].map(|name| ApiKey::of(name, "merchant"));
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write(&(old.block.clone() + &other.block));
    let arguments = ["--config", file.to_str().unwrap()];
    let server = Server::start(&directory.path().join("data"), &arguments);
    let client = server.client();
    assert_eq!(status(&client, &old).await, StatusCode::CREATED);
    assert_eq!(status(&client, &new).await, StatusCode::UNAUTHORIZED);

    // Two keys of one merchant at once, for the time in which its programs change over.
    write(&format!("{}{}{}", old.block, new.block, other.block));
    server.signal("HUP");
    becomes(&client, &new, StatusCode::CREATED).await;
    assert_eq!(status(&client, &old).await, StatusCode::CREATED);

    // What listens with the old one is cut off with it.
    let listening = tokio::spawn({
        let (client, bearer) = (client.clone(), old.bearer.clone());
        async move {
            let headers = [
                ("accept", "text/event-stream"),
                ("authorization", bearer.as_str()),
            ];
            client.send(Method::GET, "/v1/events", &headers, "").await
        }
    });
    sleep(Duration::from_millis(200)).await;
    assert!(!listening.is_finished(), "it listens for as long as it may");
    write(&(new.block.clone() + &other.block));
    server.signal("HUP");
    becomes(&client, &old, StatusCode::UNAUTHORIZED).await;
    assert_eq!(status(&client, &new).await, StatusCode::CREATED);
    assert_eq!(status(&client, &other).await, StatusCode::CREATED);
    let heard = timeout(PATIENCE, listening)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(heard.status, StatusCode::OK);

    // A file with a mistake, or without any key, changes nothing: the first because nobody knows what was meant, the second
    // because it would let everyone in.
    for mistake in ["[[api_keys]]\nmerchant = 7\n", "attempts_max = 3\n"] {
        write(mistake);
        server.signal("HUP");
        sleep(Duration::from_millis(200)).await;
        assert_eq!(status(&client, &new).await, StatusCode::CREATED);
        assert_eq!(status(&client, &old).await, StatusCode::UNAUTHORIZED);
    }
    server.signal("TERM");
    let (ended, said) = server.wait();
    assert!(ended.success(), "{said}");
    assert_eq!(
        said.matches("the API keys cannot be reloaded").count(),
        2,
        "{said}"
    );
    for key in [&old, &new, &other] {
        let secret = key.bearer.strip_prefix("Bearer ").unwrap();
        assert!(!said.contains(secret), "secrets do not go into the log");
    }
}
