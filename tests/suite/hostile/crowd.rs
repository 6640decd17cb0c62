//! Callers who say nothing, or too little and too slowly, and stay until they are cut off.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::attacks;
use crate::listeners::caller;

/// Together they have three quarters of all places: one address can crowd out nobody.
const ADDRESSES: usize = 3;
/// They do not come all at once: the queue of the kernel is nobody's promise.
const WAVE: usize = 25;
const WAVE_EVERY: Duration = Duration::from_millis(50);
const DRIBBLE_EVERY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(30);

/// Three times what notifications may have of the listener's places, and half as much again as it has in all.
const SLOW: usize = 192;

/// What became of callers who say a notification letter by letter.
pub struct Slow {
    pub waited_for: u64,
    pub shed: u64,
}

/// All at once. Nobody can know yet that none of them is the group's system.
pub async fn dribble_notifications(door: SocketAddr) -> Slow {
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..SLOW {
        callers.spawn(dribble(10 + (number % ADDRESSES) as u8, door));
    }
    let mut slow = Slow { waited_for: 0, shed: 0 };
    while let Some(heard) = callers.join_next().await {
        match heard.expect("he was answered").as_str() {
            "HTTP/1.1 408" => slow.waited_for += 1,
            "HTTP/1.1 503" => slow.shed += 1,
            other => panic!("a slow notification is answered {other:?}"),
        }
    }
    assert!(slow.waited_for > 0 && slow.shed > 0, "{} and {}", slow.waited_for, slow.shed);
    slow
}

/// The first words of the answer.
async fn dribble(from: u8, door: SocketAddr) -> String {
    let mut caller = caller(from, door).await;
    caller.write_all(attacks::slow_notification().as_bytes()).await.expect("sent");
    let (mut hears, mut says) = caller.split();
    let mut heard = [0; 12];
    let answered = async {
        let hearing = hears.read_exact(&mut heard);
        tokio::pin!(hearing);
        loop {
            tokio::select! {
                heard = &mut hearing => return heard.expect("an answer"),
                () = tokio::time::sleep(DRIBBLE_EVERY) => {
                    // What cannot be said will be heard.
                    let _ = says.write_all(b"a").await;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("the host answers");
    String::from_utf8_lossy(&heard).into_owned()
}

/// Sends so many to the listeners, and waits until each is cut off; how many were sent to each.
pub async fn gather(
    listeners: BTreeMap<&'static str, SocketAddr>,
    count: usize,
) -> BTreeMap<&'static str, u64> {
    let mut sent = BTreeMap::new();
    let mut callers = tokio::task::JoinSet::new();
    let mut waves = tokio::time::interval(WAVE_EVERY);
    waves.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for (number, (name, door)) in (0..count).zip(listeners.iter().cycle()) {
        if number % WAVE == 0 {
            waves.tick().await;
        }
        *sent.entry(*name).or_default() += 1;
        let from = 10 + (number / listeners.len() % ADDRESSES) as u8;
        callers.spawn(stay(from, *door, (number / listeners.len()).is_multiple_of(2)));
    }
    while let Some(ended) = callers.join_next().await {
        ended.expect("one of the crowd was cut off");
    }
    sent
}

async fn stay(from: u8, door: SocketAddr, dribbles: bool) {
    let mut caller = caller(from, door).await;
    let mut words = "POST /espf/events HTTP/1.1\r\nX-Slow: ".bytes().chain(std::iter::repeat(b'a'));
    let mut heard = [0; 64];
    let cut_off = async {
        loop {
            tokio::select! {
                heard = caller.read(&mut heard) => match heard {
                    Ok(0) | Err(_) => return,
                    Ok(_) => panic!("nothing was asked, and something is answered"),
                },
                () = tokio::time::sleep(DRIBBLE_EVERY), if dribbles => {
                    let word = words.next().expect("they never end");
                    // What cannot be said will be heard.
                    let _ = caller.write_all(&[word]).await;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, cut_off).await.expect("the host cuts it off");
}
