//! An adapter's answer is taken whole or not at all; and what PortaBilling is told of it.

use super::*;
use crate::domain::{Escape, Fill};

#[test]
fn an_answer_is_taken_whole() {
    let progress = Progress {
        decision: Decision::Send(once("order")),
        reports: vec![
            report(None, Status::InProgress),
            report(Some(pcrf()), Status::Failed),
            report(Some(pcrf()), Status::InProgress),
        ],
        applied: Some(json("{\"asked\":1}")),
        keys: vec!["o-1".to_owned(), "o-1".to_owned()],
        extras: Some(Json::empty_object()),
    };
    let story = Story::laid_down().says(progress.clone());
    assert_eq!(story.last.applied, progress.applied, "before the request leaves");
    assert_eq!(story.operation.keys, ["o-1"]);
    assert_eq!(story.told(), [("HSS", "IN_PROGRESS"), ("PCRF", "IN_PROGRESS")], "the last report wins");
    let more = Progress { keys: vec!["o-1".to_owned(), "o-2".to_owned()], ..saying(wait(None)) };
    let story = story.leaves().answered(201).says(more);
    assert_eq!(story.operation.keys, ["o-1", "o-2"]);
    assert_eq!(story.last.applied, None, "as said before");
}

/// Whatever is wrong with an answer, nothing of it is taken and the operation is parked.
#[test]
fn nothing_is_taken_of_an_answer_that_breaks_the_contract() {
    let send = |change: fn(&mut Request)| {
        let mut request = repeatable("create");
        change(&mut request);
        saying(Decision::Send(request))
    };
    let path = |path: &'static str| {
        saying(Decision::Send(Request { path: path.to_owned(), ..repeatable("create") }))
    };
    let header = |name: &'static str| {
        let header = Header { name: name.to_owned(), value: "x".to_owned() };
        saying(Decision::Send(Request { headers: vec![header], ..repeatable("create") }))
    };
    let word = || Some(json("{\"later\":1}"));
    let elsewhere = vec![report(Some(Service("IPTV".to_owned())), Status::Ok)];
    let table = [
        ("service-not-allowed", Progress { reports: elsewhere, ..saying(Decision::Finish) }),
        ("adapter-refused", Progress { extras: word(), ..saying(Decision::Finish) }),
        ("adapter-refused", Progress { extras: Some(json("[]")), ..saying(Decision::Finish) }),
        ("adapter-refused", send(|request| request.extras = Some(json("{\"later\":1}")))),
        ("request-refused", path("http://elsewhere/")),
        ("request-refused", path("//elsewhere/")),
        ("request-refused", path("")),
        ("request-refused", path("relative")),
        ("request-refused", path("/a/../b")),
        ("request-refused", path("/..")),
        ("request-refused", path("/a/..?x=1")),
        ("request-refused", path("/a\\..\\b")),
        ("request-refused", path("/a#b")),
        ("request-refused", path("/a\r\nx: y")),
        // What a URL takes for `..`, too.
        ("request-refused", path("/a/%2e%2E/b")),
        ("request-refused", path("/a/.%2e/b")),
        ("request-refused", path("/a/.\t./b")),
        ("request-refused", header("Authorization")),
        ("request-refused", header("host")),
        ("request-refused", header("Content-Length")),
        ("request-refused", header("transfer-encoding")),
        ("request-refused", header("Connection")),
        ("request-refused", header("proxy-authorization")),
        ("request-refused", header("Idempotency-Key")),
    ];
    for (row, (code, progress)) in table.into_iter().enumerate() {
        let mut reports = vec![report(None, Status::Ok)];
        reports.extend(progress.reports);
        let progress =
            Progress { reports, applied: Some(json("{}")), keys: vec!["o-1".to_owned()], ..progress };
        let story = Story::laid_down().says(progress);
        assert_eq!(story.parked_for(), code, "{row}");
        assert_eq!(story.last.applied, None, "{row}");
        assert!(story.operation.keys.is_empty() && story.operation.said.is_empty(), "{row}");
        assert_eq!(story.notes(), ["parked"], "{row}");
        assert_eq!(story.told(), [("HSS", "FAILED")], "{row}");
    }
}

#[test]
fn ordinary_requests_are_not_refused() {
    for path in ["/", "/a..b/c", "/a/.../b", "/a?next=..%2Fb", "/a%20b/%D0%9F", "/a;v=1?q=1&r=http://x"] {
        let story = Story::laid_down().decides(Decision::Send(Request {
            path: path.to_owned(),
            extras: Some(Json::null()),
            ..repeatable("create")
        }));
        assert_eq!(story.stage(), "ready", "{path}");
    }
}

/// What the host puts there nobody else knows.
#[test]
fn a_credential_may_stand_where_credentials_stand_when_the_host_fills_it_in() {
    let fill = |mark: &str| Fill {
        mark: mark.to_owned(),
        source: "session.token".to_owned(),
        escape: Escape::Verbatim,
    };
    for (name, mark, stage) in [
        ("Authorization", "@@token@@", "ready"),
        ("authorization", "", "parked"),
        ("authorization", "@@other@@", "parked"),
        ("proxy-authorization", "@@token@@", "parked"),
    ] {
        let header = Header { name: name.to_owned(), value: "@@token@@".to_owned() };
        let request = Request { headers: vec![header], fills: vec![fill(mark)], ..repeatable("create") };
        let story = Story::laid_down().decides(Decision::Send(request));
        assert_eq!(story.stage(), stage, "{name} {mark}");
    }
}

#[test]
fn a_history_that_is_full_takes_no_more() {
    let full =
        || (0..HISTORY_MAX).fold(Story::laid_down(), |story, _| story.sends(once("step")).answered(200));
    for (decision, stage) in [
        (Decision::Send(once("step")), "parked"),
        (wait(None), "parked"),
        (again(), "ready"),
        (Decision::Finish, "finished"),
        (Decision::Park(silence()), "parked"),
    ] {
        let word = decision.word();
        let story = full().decides(decision);
        assert_eq!(story.stage(), stage, "{word}");
        if stage == "parked" && word != "park" {
            assert_eq!(story.parked_for(), "history-limit", "{word}");
            assert!(matches!(&story.last.notes[..], [Note::Parked { trouble, .. }]
                if trouble.message.contains("6 entries") && trouble.message.contains("limits.history")));
        }
    }
}

#[test]
fn an_event_is_ignored_only_before_anything_happened() {
    let ignore = || Decision::Ignore("no profile for it".to_owned());
    let story = Story::laid_down().decides(ignore());
    assert_eq!(story.operation.stage, Stage::Ignored { why: "no profile for it".to_owned() });
    assert!(story.told().is_empty());
    for story in [Story::laid_down().sends(repeatable("create")).answered(200), Story::waits().elapses()] {
        assert_eq!(story.decides(ignore()).parked_for(), "adapter-broken");
    }
}

#[test]
fn a_finished_operation_says_what_its_adapter_said_last() {
    let done = Progress { reports: vec![report(None, Status::Ok)], ..saying(Decision::Finish) };
    let story = Story::laid_down().sends(repeatable("create")).then(Outcome::Unanswered(silence()));
    let story = story.leaves().answered(201).says(done);
    assert_eq!(story.stage(), "finished");
    assert_eq!(story.told(), [("HSS", "OK")]);
    assert!(!story.operation.stage.is_open());
}

#[test]
fn a_parked_operation_is_told_as_failed_with_its_reason() {
    let why = Trouble::new("profile-unknown", "there is no profile `gold`");
    let story = Story::laid_down().decides(Decision::Park(why));
    let message = Some("profile-unknown: there is no profile `gold`".to_owned());
    assert_eq!(story.last.statuses, BTreeMap::from([(hss(), Said { status: Status::Failed, message })]));
}

#[test]
fn nothing_is_told_of_an_account_that_is_another_one_here() {
    let foreign = || Reason::OtherEnvironment.trouble("it is of environment 2, and ours is 1");
    let story = Story::received().then(Outcome::Refused(foreign()));
    assert_eq!((story.stage(), story.told().len()), ("parked", 0));
    // The word alone does not silence an adapter that says it.
    assert_eq!(Story::laid_down().decides(Decision::Park(foreign())).told(), [("HSS", "FAILED")]);
}

/// The host's own word stands only where nothing is settled; who said nothing has settled nothing.
#[test]
fn statuses_are_a_function_of_the_operation() {
    use Status::{Failed, InProgress, Ok, Retry};
    let asking = || Stage::Asking;
    let waiting = || Story::waits().operation.stage;
    let retrying = || {
        let out = Story::laid_down().sends(repeatable("create"));
        out.then(Outcome::Unanswered(silence())).operation.stage
    };
    let rereading = || Stage::Received { attempts: 1 };
    let parked = || Stage::Parked { trouble: silence(), in_doubt: false };
    let over = || Stage::Finished;

    type Row<'a> = (Stage, &'a [(&'a str, Status)], bool, bool, &'a [(&'a str, &'a str)]);
    // The stage, what was said, whether it waited, whether it is overdue; what PortaBilling sees.
    let table: [Row<'_>; 22] = [
        (asking(), &[], false, false, &[]),
        (waiting(), &[], true, false, &[("HSS", "IN_PROGRESS")]),
        (asking(), &[], true, false, &[("HSS", "IN_PROGRESS")]),
        (waiting(), &[("HSS", Ok)], true, false, &[("HSS", "OK")]),
        (waiting(), &[("PCRF", Ok)], true, false, &[("HSS", "IN_PROGRESS"), ("PCRF", "OK")]),
        (rereading(), &[], false, false, &[]),
        (retrying(), &[], false, false, &[("HSS", "RETRY")]),
        (retrying(), &[("HSS", InProgress)], true, false, &[("HSS", "RETRY")]),
        (retrying(), &[("HSS", Ok)], true, false, &[("HSS", "OK")]),
        (retrying(), &[("HSS", Failed)], true, false, &[("HSS", "FAILED")]),
        (retrying(), &[("PCRF", Ok)], false, false, &[("HSS", "RETRY"), ("PCRF", "OK")]),
        (retrying(), &[("PCRF", InProgress)], false, false, &[("HSS", "RETRY"), ("PCRF", "RETRY")]),
        (waiting(), &[], true, true, &[("HSS", "FAILED")]),
        (waiting(), &[("HSS", InProgress), ("PCRF", Ok)], true, true, &[("HSS", "FAILED"), ("PCRF", "OK")]),
        (waiting(), &[("HSS", Ok)], true, true, &[("HSS", "OK")]),
        (parked(), &[], false, false, &[("HSS", "FAILED")]),
        (parked(), &[("HSS", Retry), ("PCRF", Ok)], true, false, &[("HSS", "FAILED"), ("PCRF", "OK")]),
        (parked(), &[("HSS", Ok), ("PCRF", InProgress)], true, false, &[("HSS", "OK"), ("PCRF", "FAILED")]),
        (parked(), &[("HSS", Ok), ("PCRF", Retry)], true, false, &[("HSS", "OK"), ("PCRF", "FAILED")]),
        // A person must hear of it, even if all was settled before.
        (parked(), &[("HSS", Ok)], true, false, &[("HSS", "FAILED")]),
        (over(), &[("HSS", Ok)], true, true, &[("HSS", "OK")]),
        (over(), &[("HSS", Retry)], false, false, &[("HSS", "RETRY")]),
    ];
    for (row, (stage, said, waited, overdue, seen)) in table.into_iter().enumerate() {
        let word = |status| Said { status, message: None };
        let operation = Operation {
            stage,
            said: said
                .iter()
                .map(|(service, status)| (Service((*service).to_owned()), word(*status)))
                .collect(),
            waited,
            overdue: overdue.then(|| word(Failed)),
            ..Story::laid_down().operation
        };
        let all = statuses(&operation);
        let told: Vec<_> =
            all.iter().map(|(service, said)| (service.0.as_str(), said.status.word())).collect();
        assert_eq!(told, seen, "row {row}");
    }
}
