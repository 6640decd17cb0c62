//! What is promised of the components that all instances have, which is a database's alone to promise.

use punchdown::domain::{Digest, Group};
use punchdown::ports::{Choice, Chosen, KeptComponent, Library};

use super::instances::two;
use super::*;

fn group() -> Group {
    Group("HSS".to_owned())
}

fn component(bytes: &[u8], kept_at: i64) -> KeptComponent {
    let bytes_long = bytes.len() as u64;
    KeptComponent { digest: Digest::of(bytes), kept_at: Timestamp::from_millis(kept_at), bytes: bytes_long }
}

async fn keep(library: &dyn Library, group: &Group, bytes: &[u8], kept_at: i64) -> Digest {
    let component = component(bytes, kept_at);
    library.keep(group, &component, bytes).await.expect("kept");
    component.digest
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_keeps_and_chooses_all_have() {
    let Some((opened, database, _folders)) = two().await else { return };
    let [one, other] = opened.each_ref().map(|it| it.library.clone().expect("a library"));
    let hss = group();
    assert!(one.chosen().await.expect("known").is_empty());
    // More than goes into one statement.
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    let first = keep(&*one, &hss, &large, 1).await;
    assert_eq!(other.bytes(&first).await.expect("known"), Some(large.clone()));
    assert_eq!(other.kept(&hss).await.expect("known"), [component(&large, 1)]);
    assert_eq!(other.bytes(&Digest::of(b"none")).await.expect("known"), None);

    let choose = async |by: &dyn Library, pinned, heard| {
        let choice = Choice { component: component(&large, 1), bytes: &large, pinned, heard };
        by.choose(&hss, &choice).await.expect("known")
    };
    let chosen = Chosen { digest: first.clone(), pinned: false, number: 1 };
    assert_eq!(choose(&*one, false, None).await, Some(chosen.clone()));
    assert_eq!(choose(&*other, true, None).await, None, "he has not heard what was said");
    let pinned = Chosen { pinned: true, number: 2, ..chosen };
    assert_eq!(choose(&*other, true, Some(1)).await, Some(pinned.clone()));
    assert_eq!(choose(&*one, false, Some(1)).await, None, "that was said of another one");
    assert_eq!(one.chosen().await.expect("known")[&hss], pinned);

    // Who has no key can say nothing, and what is said after him counts.
    for (forged, number) in [("pinned = false", 3), ("number = 9", 10), ("mark = 'none'", 11)] {
        database.ask(&format!("UPDATE served_by SET {forged}")).expect("written");
        assert!(one.chosen().await.expect("known").is_empty(), "{forged}");
        let again = choose(&*other, true, None).await.expect("he has heard of none");
        assert_eq!(again.number, number, "{forged}");
        assert_eq!(one.chosen().await.expect("known"), [(hss.clone(), again)].into());
    }
    let his =
        "INSERT INTO component SELECT grp, 'sha256:' || repeat('0', 64), kept_at + 9, 1, mark FROM component";
    database.ask(his).expect("written");
    let kept = other.kept(&hss).await.expect("known");
    assert_eq!(kept, [component(&large, 1)], "nor bring anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_eight_of_a_group_are_kept_and_the_one_that_serves() {
    let Some((opened, database, _folders)) = two().await else { return };
    let library = opened[0].library.clone().expect("a library");
    let (hss, pcrf) = (group(), Group("PCRF".to_owned()));
    let choice = Choice { component: component(&[0], 0), bytes: &[0], pinned: false, heard: None };
    let serves = library.choose(&hss, &choice).await.expect("known").expect("chosen").digest;
    // Another group may have the same one.
    let shared = keep(&*library, &hss, &[1], 1).await;
    keep(&*library, &pcrf, &[1], 1).await;
    for number in 2..12 {
        keep(&*library, &hss, &[number], number.into()).await;
    }
    let kept: Vec<Digest> =
        library.kept(&hss).await.expect("known").into_iter().map(|it| it.digest).collect();
    let newest: Vec<Digest> = (4..12).rev().map(|number: u8| Digest::of(&[number])).collect();
    assert_eq!((&kept[..8], &kept[8..]), (&newest[..], &[serves][..]));
    assert_eq!(library.bytes(&shared).await.expect("known"), Some(vec![1]), "the other group has it");
    assert_eq!(library.bytes(&Digest::of(&[2])).await.expect("known"), None);
    assert_eq!(database.ask("SELECT count(*) FROM component_go").expect("known"), "10");
    // One that comes back is the newest.
    let back = keep(&*library, &hss, &[5], 99).await;
    assert_eq!(library.kept(&hss).await.expect("known")[0].digest, back);
}
