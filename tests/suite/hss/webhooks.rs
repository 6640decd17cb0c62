//! Webhooks of the HSS are hints that are read back: they tell of a change with the values from before it, of a
//! deletion with none, and of our own writes, too.

use super::*;

/// A host that hears of every write in the HSS, and a line that was made.
async fn hearing() -> Option<Story> {
    let story = Story::begin(2, Manners::default()).await?;
    let door = format!("http://{}/notify/HSS/{PATH_SECRET}", story.stage.public);
    story.hss.set_webhook(Some(&door));
    story.happens("Account/New", 1..=1, "OK").await;
    until("three records were told of", SOON, async || story.hss.ledger().webhooks.len() == 3).await;
    Some(story)
}

/// Lets the time pass in which what is heard may be an echo of our own.
async fn a_minute_later(story: &mut Story) {
    story.stage.stop_host().await.expect("it stops");
    change(&story.stage, "UPDATE operation SET changed_at = changed_at - 61000");
    story.stage.start_host().await.expect("it starts again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_in_the_hss_is_put_right() {
    let Some(mut story) = hearing().await else { return };
    assert_eq!(operations(&story.stage, &[]).await.len(), 1, "the echo of our own writes begins nothing");
    a_minute_later(&mut story).await;

    let subscriber = story.only(Table::Subscriber)["subscriber_id"].as_u64().expect("an id");
    story.hss.change(Table::Subscriber, subscriber, &json!({ "enabled": false, "msisdn": "1" }));
    until("it is switched on again", SOON, async || {
        let subscriber = story.only(Table::Subscriber);
        subscriber["enabled"] == true && subscriber["msisdn"] == "15550000001"
    })
    .await;
    let webhooks = story.hss.ledger().webhooks;
    let (_, told, _) = webhooks.iter().find(|(method, ..)| method == "PATCH").expect("a change was told");
    assert!(told.contains("\"enabled\":true"), "with the values from before it: {told}");
    assert!(webhooks.iter().all(|(_, _, tries)| *tries == 1), "each was taken at once: {webhooks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_says_nothing_is_taken_and_found_out_later() {
    let Some(mut story) = hearing().await else { return };
    a_minute_later(&mut story).await;
    let subscriber = story.only(Table::Subscriber)["subscriber_id"].as_u64().expect("an id");
    story.hss.remove(Table::Subscriber, subscriber);
    until("it was told of", SOON, async || {
        story.hss.ledger().webhooks.iter().any(|(method, body, _)| method == "DELETE" && body.is_empty())
    })
    .await;
    let status = story.stage.status().await.expect("the host answers");
    assert_eq!(status["notifications_unread"], 0, "there is nothing in it to be read");
    assert_eq!(operations(&story.stage, &[]).await.len(), 1);
    story.happens("Account/Changed", 1..=1, "OK").await;
    all_stand(&story, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_the_hss_tells_of_are_shown_to_nobody() {
    let Some(story) = hearing().await else { return };
    let list = asked(&story.stage, &["notification", "list"]).await;
    let mut shown = String::new();
    for notification in list["notifications"].as_array().expect("a list") {
        let id = notification["id"].as_str().expect("an id");
        shown += &asked(&story.stage, &["notification", "show", id]).await.to_string();
    }
    assert!(shown.contains("auc_id") && !shown.contains("5eed0000"), "{shown}");
    let webhooks = story.hss.ledger().webhooks;
    assert!(webhooks.iter().any(|(_, body, _)| body.contains("5eed0000")), "it told of them");
}
