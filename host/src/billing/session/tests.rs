use super::*;
use crate::ports::Away;

#[test]
fn a_token_may_tell_its_environment() {
    let jwt = |claims: &str| format!("e30.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims));
    for (token, told) in [
        (jwt(r#"{"i_env":1,"login":"punchdown"}"#), Some(1)),
        (jwt(r#"{"i_env":"12"}"#), Some(12)),
        (jwt(r#"{"login":"punchdown"}"#), None),
        (jwt("not JSON"), None),
        ("0123456789abcdef".to_owned(), None),
        ("a.###.b".to_owned(), None),
    ] {
        assert_eq!(environment(&token), told, "{token}");
    }
}

#[test]
fn renewal_comes_a_tenth_or_a_minute_before_the_end_however_that_is_told() {
    let now = wire::utc("2026-01-31 08:00:00").expect("a time");
    let second = now.millis() / 1000;
    let renewed = |expires_in: Value, expires_at: Option<&str>, claims: &Value| {
        let access_token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let expires_at = expires_at.map(|text| text.into());
        let granted = Granted { access_token, expires_in: Some(expires_in), expires_at };
        renew_at(&granted, now).since(now).as_secs()
    };
    use serde_json::json;
    let quiet = json!({});
    for (expires_in, expires_at, claims, after) in [
        (json!(100), None, &quiet, 90),
        (json!(900), None, &quiet, 840),
        (json!("900"), None, &quiet, 840),
        (json!(172_800), None, &quiet, 172_740),
        (json!(null), Some("2026-01-31 08:15:00"), &quiet, 840),
        (json!(null), Some("2026-02-02 08:00:00"), &quiet, 172_740),
        (json!(null), None, &json!({"exp": second + 900}), 840),
        (json!(null), None, &json!({"exp": (second + 172_800).to_string()}), 172_740),
        // The clocks differ by ten minutes: what the token says of its life is true all the same.
        (json!(null), Some("2026-01-31 08:25:00"), &json!({"iat": second + 600, "exp": second + 1500}), 840),
        (json!(900), Some("2026-01-31 07:00:00"), &quiet, 840),
        // Nothing that can be understood.
        (json!(0), Some("2026-01-31 07:00:00"), &json!({"exp": second - 60}), 840),
        (json!(null), Some("nonsense"), &json!({"exp": "soon"}), 840),
        (json!(null), None, &json!({"exp": u64::MAX}), 840),
        (json!(-1), None, &quiet, 840),
    ] {
        assert_eq!(
            renewed(expires_in.clone(), expires_at, claims),
            after,
            "{expires_in} {expires_at:?} {claims}"
        );
    }
}

#[test]
fn pauses_grow() {
    let mut state = State::default();
    let now = Timestamp::default();
    let mut pause = |error: BillingError| {
        state.rest(now, error, Duration::from_secs(900));
        state.pause.as_ref().map(|(until, _)| until.since(now)).expect("a pause")
    };
    let refused = || BillingError::LoginRefused("Server.Session.auth_failed".to_owned());
    let minutes = [1, 2, 4, 8, 16, 32, 60, 60].map(|minutes| Duration::from_secs(60 * minutes));
    assert_eq!([(); 8].map(|()| pause(refused())), minutes);
    let mut locked = State::default();
    let locked_out = BillingError::LockedOut("Server.Session.cannot_login_brute_force".to_owned());
    let quarters = [1, 2, 4, 4].map(|quarters| Duration::from_secs(900 * quarters));
    let pauses = quarters.map(|_| {
        locked.rest(now, locked_out.clone(), Duration::from_secs(900));
        locked.pause.as_ref().map(|(until, _)| until.since(now)).expect("a pause")
    });
    assert_eq!(pauses, quarters, "a lock-out is longer");
    let away = || BillingError::Unavailable("away".to_owned().into());
    let halves = [1, 2, 4, 8, 16, 32, 60, 60].map(|halves| Duration::from_millis(500 * halves));
    assert_eq!([(); 8].map(|()| pause(away())), halves, "they grow apart from the others");
    for (asked, seconds) in [(5, 30), (300, 300), (1_000_000, 3600)] {
        let retry_after = Some(Duration::from_secs(asked));
        let busy = BillingError::Unavailable(Away { why: "busy".to_owned(), retry_after });
        assert_eq!(pause(busy), Duration::from_secs(seconds), "asked for {asked}");
    }
}
