//! Many at once.

use crate::stage::{Stage, read, request};

/// As many as the files of this process allow, both ends of each being in it: 10,000, if it may have some 20,000.
#[tokio::test]
async fn thousands_of_idle_connections_are_held_while_others_are_answered() {
    let stage = Stage::start().await;
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let files = files.current.unwrap_or(100_000);
    let files = usize::try_from(files).expect("a number of files");
    let count = 10_000.min(files.saturating_sub(300) / 2);
    assert!(count >= 300, "{files} files are too few to show anything");
    let mut crowd = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = stage.connect().await;
        // Some have asked something before they fell silent.
        if number % 10 == 0 {
            let ask = request("GET", "/api/changes?since=0", &[], b"");
            tokio::io::AsyncWriteExt::write_all(&mut stream, &ask)
                .await
                .expect("sent");
            assert_eq!(read(&mut stream).await.expect("an answer").status, 200);
        }
        crowd.push(stream);
    }
    assert_eq!(stage.register(1, "ada").await.status, 201);
    assert_eq!(stage.get("/api/health").await.status, 200);
    let metrics = String::from_utf8(stage.get("/metrics").await.body).expect("text");
    let open = metrics
        .lines()
        .find_map(|line| line.strip_prefix("trustnet_registry_connections "))
        .and_then(|text| text.parse::<usize>().ok());
    assert!(
        open.is_some_and(|open| open >= count),
        "{open:?} of {count}"
    );
    stage.service.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_is_ended_and_one_fewer_makes_room() {
    let stage = Stage::with(|settings| settings.limits.connections = 3).await;
    let ask = request("GET", "/api/health", &[], b"");
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = stage.connect().await;
        tokio::io::AsyncWriteExt::write_all(&mut stream, &ask)
            .await
            .expect("sent");
        assert!(read(&mut stream).await.is_some());
        open.push(stream);
    }
    let mut one = stage.connect().await;
    let _ = tokio::io::AsyncWriteExt::write_all(&mut one, &ask).await;
    assert!(read(&mut one).await.is_none());
    open.pop();
    loop {
        let mut again = stage.connect().await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut again, &ask).await;
        // Until the end of the other one was seen.
        if read(&mut again).await.is_some() {
            break;
        }
    }
}
