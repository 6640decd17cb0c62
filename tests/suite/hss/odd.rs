//! Each answer that was seen and is not what one would expect, and what comes of it.

use super::*;

/// What is answered how often to the next request of a kind, what PortaBilling hears at last, and why.
type Odds = (&'static str, Odd, u32, &'static str, &'static str);

const TO_A_NEW_LINE: [Odds; 20] = [
    ("PUT /auc", Odd::Lost, 1, "OK", ""),
    ("PUT /subscriber", Odd::Lost, 1, "OK", ""),
    ("PUT /ims_subscriber", Odd::Lost, 1, "OK", ""),
    ("PUT /auc", Odd::Locked, 2, "OK", ""),
    ("GET /ims_subscriber/ims_subscriber_msisdn/{}", Odd::Locked, 1, "OK", ""),
    ("PUT /subscriber", Odd::Wordless, 1, "OK", ""),
    ("PUT /subscriber", Odd::BrokenEarly, 1, "OK", ""),
    ("PUT /subscriber", Odd::BrokenLate, 1, "OK", ""),
    ("PUT /ims_subscriber", Odd::BrokenLate, 1, "OK", ""),
    ("GET /auc/imsi/{}", Odd::Page, 1, "OK", ""),
    ("PUT /auc", Odd::Page, 1, "OK", ""),
    ("GET /apn/list", Odd::NoSuchPath, 1, "OK", ""),
    ("GET /apn/list", Odd::Locked, 1, "OK", ""),
    // A look-up that is not answered in time may say that nothing is there: then the creation finds it.
    ("GET /auc/imsi/{}", Odd::PassedOver, 1, "OK", ""),
    ("PUT /auc", Odd::Missing, 1, "FAILED", "NOT NULL constraint failed: auc.amf"),
    ("PUT /subscriber", Odd::InvalidKeyword, 1, "FAILED", "is an invalid keyword argument for SUBSCRIBER"),
    ("PUT /subscriber", Odd::BadJson, 1, "FAILED", "400 Bad Request"),
    ("PUT /subscriber", Odd::PassedOver, 1, "FAILED", "it was not made, and nothing says why"),
    ("PUT /ims_subscriber", Odd::InvalidKeyword, 1, "FAILED", "IMS_SUBSCRIBER"),
    ("PUT /ims_subscriber", Odd::PassedOver, 1, "FAILED", "it was not made"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_odd_answer_to_a_new_line_is_judged_rightly() {
    let count = TO_A_NEW_LINE.len() as u64;
    let Some(story) = Story::begin(count, Manners::default()).await else { return };
    let mut whole = 0;
    for (i_account, (request, odd, times, word, why)) in (1..).zip(TO_A_NEW_LINE) {
        (0..times).for_each(|_| story.hss.answer_next(request, odd));
        story.happens("Account/New", i_account..=i_account, word).await;
        let said = story.message(i_account);
        assert!(said.contains(why), "{request} {odd:?}: {said}");
        // Neither the statement nor the keys in it.
        assert!(!said.contains("SQL") && !said.contains("5eed"), "{request} {odd:?}: {said}");
        let imsi = format!("00101{i_account:010}");
        let of_line = |table: Table| {
            let rows = story.hss.rows(table).into_iter();
            rows.filter(|row| row["imsi"] == *imsi).count()
        };
        let stands = [Table::Auc, Table::Subscriber, Table::ImsSubscriber].map(of_line);
        match word {
            "OK" => assert_eq!(stands, [1; 3], "{request} {odd:?}"),
            _ => assert!(stands.iter().all(|count| *count <= 1), "{request} {odd:?}: {stands:?}"),
        }
        whole += u64::from(word == "OK");
        // What was left half made is made whole, or taken away, by what comes next.
        if word != "OK" {
            story.happens("Account/Changed", i_account..=i_account, "OK").await;
        }
    }
    all_stand(&story, count);
    assert!(whole > 10);
}

const TO_A_CHANGE: [Odds; 7] = [
    ("PATCH /subscriber/{id}", Odd::Lost, 1, "OK", ""),
    ("PATCH /subscriber/{id}", Odd::Locked, 1, "OK", ""),
    ("PATCH /subscriber/{id}", Odd::Wordless, 1, "OK", ""),
    ("PATCH /subscriber/{id}", Odd::Unchanged, 1, "OK", ""),
    ("PATCH /subscriber/{id}", Odd::PassedOver, 2, "OK", ""),
    ("PATCH /subscriber/{id}", Odd::PassedOver, 3, "FAILED", "`enabled` was passed over without a word"),
    ("PATCH /subscriber/{id}", Odd::Unchanged, 3, "FAILED", "`enabled` was passed over without a word"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_line_counts_as_switched_off_only_when_it_is() {
    let count = TO_A_CHANGE.len() as u64;
    let Some(story) = Story::begin(count, Manners::default()).await else { return };
    story.happens("Account/New", 1..=count, "OK").await;
    for (i_account, (request, odd, times, word, why)) in (1..).zip(TO_A_CHANGE) {
        (0..times).for_each(|_| story.hss.answer_next(request, odd));
        story.stage.billing.change_account(i_account, |account| account.blocked = true);
        story.happens("Account/Blocked", i_account..=i_account, word).await;
        assert!(story.message(i_account).contains(why), "{odd:?}: {}", story.message(i_account));
        let imsi = format!("00101{i_account:010}");
        let rows = story.hss.rows(Table::Subscriber);
        let row = rows.iter().find(|row| row["imsi"] == *imsi).expect("a subscriber");
        assert_eq!(row["enabled"] == false, word == "OK", "{odd:?}, {times} times");
    }
}

const TO_AN_END: [Odds; 6] = [
    ("DELETE /subscriber/{id}", Odd::Lost, 1, "OK", ""),
    ("DELETE /auc/{id}", Odd::Lost, 1, "OK", ""),
    ("DELETE /ims_subscriber/{id}", Odd::Locked, 1, "OK", ""),
    ("DELETE /subscriber/{id}", Odd::BrokenLate, 1, "OK", ""),
    ("DELETE /auc/{id}", Odd::PassedOver, 2, "OK", ""),
    ("DELETE /auc/{id}", Odd::PassedOver, 3, "FAILED", "passed over without a word"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_line_counts_as_gone_only_when_it_is() {
    let count = TO_AN_END.len() as u64;
    let Some(story) = Story::begin(count, Manners::default()).await else { return };
    story.happens("Account/New", 1..=count, "OK").await;
    for (i_account, (request, odd, times, word, why)) in (1..).zip(TO_AN_END) {
        (0..times).for_each(|_| story.hss.answer_next(request, odd));
        story.stage.billing.change_account(i_account, |account| account.bill_status = 'C');
        story.happens("Account/Status/Closed", i_account..=i_account, word).await;
        assert!(story.message(i_account).contains(why), "{odd:?}: {}", story.message(i_account));
    }
    assert_eq!(story.counts(), [1, 0, 0], "the one that PortaBilling knows of");
    story.happens("Account/Status/Closed", count..=count, "OK").await;
    assert_eq!(story.counts(), [0; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_fails_nobody_and_is_asked_again() {
    let Some(story) = Story::begin(1, Manners::default()).await else { return };
    story.hss.set_key(Some("another one"));
    story.espf.emit("Account/New", json!({ "i_account": 1 }));
    until("RETRY", SOON, async || story.words(1).last().is_some_and(|word| word == "RETRY")).await;
    until("it was asked again", SOON, async || story.hss.ledger().refused_keys > 1).await;
    assert_eq!(story.counts(), [0; 3]);
    story.hss.set_key(Some(PYHSS_KEY));
    until("OK", SOON, async || story.words(1).last().is_some_and(|word| word == "OK")).await;
    all_stand(&story, 1);
}

/// The database takes whatever it is given: what is right is for others to see to.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_does_not_check_is_put_right() {
    let Some(story) = Story::begin(2, Manners::default()).await else { return };
    let hss = &story.hss;
    story.happens("Account/New", 1..=1, "OK").await;
    let subscriber = story.only(Table::Subscriber)["subscriber_id"].as_u64().expect("an id");
    let patches = || hss.ledger().requests.get("PATCH /subscriber/{id}").copied().unwrap_or_default();

    // A number that is written as text is the same number.
    hss.change(Table::Subscriber, subscriber, &json!({ "ue_ambr_dl": "300000000", "apn_list": "3, 2" }));
    let product = |name: &str| {
        let name = name.to_owned();
        story.stage.billing.change_account(1, |account| account.product_name = name);
    };
    product("Mobile Large");
    hss.change(Table::Subscriber, subscriber, &json!({ "default_apn": "3" }));
    story.happens("Account/Product/Changed", 1..=1, "OK").await;
    assert_eq!(patches(), 0, "there was nothing to change");

    // A reference to nothing is taken, and mended; an AuC can be removed while it is in use.
    hss.change(Table::Subscriber, subscriber, &json!({ "default_apn": 99, "auc_id": 99 }));
    let auc = story.only(Table::Auc)["auc_id"].as_u64().expect("an id");
    hss.remove(Table::Auc, auc);
    story.happens("Account/Changed", 1..=1, "OK").await;
    all_stand(&story, 1);
    assert_eq!(story.only(Table::Subscriber)["default_apn"], 3);

    // Two strangers have one number: neither of them is taken for the line.
    for imsi in ["001018888888881", "001018888888882"] {
        let stranger =
            json!({ "imsi": imsi, "msisdn": "15550000002", "auc_id": 1, "default_apn": 1, "apn_list": "1" });
        hss.put(Table::Subscriber, &stranger);
    }
    story.happens("Account/New", 2..=2, "OK").await;
    assert_eq!(hss.rows(Table::Subscriber).len(), 4);
    story.stage.billing.change_account(2, |account| account.bill_status = 'C');
    story.happens("Account/Status/Closed", 2..=2, "OK").await;
    assert_eq!(hss.rows(Table::Subscriber).len(), 3, "the strangers stay");

    // What somebody else removed is made again, and its old id may be another one's.
    hss.remove(Table::Subscriber, subscriber);
    story.happens("Account/Changed", 1..=1, "OK").await;
    let imsi = "001010000000001";
    assert_eq!(hss.rows(Table::Subscriber).iter().filter(|row| row["imsi"] == imsi).count(), 1);
}
