//! TLS towards the database: whose certificate is believed is said, and what is not believed is not spoken with.

use super::*;
use crate::harness::rewrite;
use crate::tls::authority::{Authority, Pair, put};

/// A server whose certificate that is.
fn speaks_tls(cluster: &Cluster, pair: &Pair) {
    cluster.put("server.pem", &pair.cert).expect("written");
    cluster.put("server.key", &pair.key).expect("written");
    for order in [
        "ALTER SYSTEM SET ssl_cert_file = 'server.pem'",
        "ALTER SYSTEM SET ssl_key_file = 'server.key'",
        "ALTER SYSTEM SET ssl = on",
    ] {
        cluster.tell(order).expect("done");
    }
}

/// Whose word counts, from now on.
fn believes(stage: &Stage, authority: &Authority) {
    put(&stage.directory, "ca.pem", &authority.pem());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_believed_by_its_certificate_and_what_is_wrong_with_it_is_said() {
    let (Some(cluster), folder) = (own(), folder()) else { return };
    let Some((mut stage, database)) = stage_on(folder.path(), Settings::default(), &cluster).await else {
        return;
    };
    let (authority, another) = (Authority::new(), Authority::new());
    believes(&stage, &authority);
    rewrite(&stage, "tls = false", "tls = true\nca = \"ca.pem\"");
    let line = journal_line(&stage);
    assert!(line.contains("E0507") && line.contains("server does not support TLS"), "{line}");

    speaks_tls(&cluster, &authority.host());
    let line = journal_line(&stage);
    assert!(line.starts_with("ok"), "{line}");
    believes(&stage, &another);
    let line = journal_line(&stage);
    assert!(line.contains("E0507") && line.contains("invalid peer certificate"), "another authority: {line}");
    believes(&stage, &authority);
    speaks_tls(&cluster, &authority.caller("db", "db.example.net", "urn:db"));
    let line = journal_line(&stage);
    assert!(line.contains("E0507") && line.contains("not valid for name"), "another name: {line}");
    speaks_tls(&cluster, &authority.host_within(-20, -10));
    let line = journal_line(&stage);
    assert!(line.contains("E0507") && line.contains("expired"), "{line}");
    speaks_tls(&cluster, &authority.host());

    // What a URL says of TLS agrees with that, or is refused.
    let (url, sslmode) = (database.url(), |mode: &str| format!("{}?sslmode={mode}", database.url()));
    let mut before = url;
    for mode in ["disable", "verify-full"] {
        rewrite(&stage, &before, &sslmode(mode));
        before = sslmode(mode);
        let refused = said(&punchdown(&stage, &["check"]));
        assert!(refused.contains("error[E0106]") && refused.contains("`tls` and `ca`"), "{mode}: {refused}");
    }
    rewrite(&stage, &before, &sslmode("require"));
    stage.open_accounts(3);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 3);
    until("OK for all", SOON, async || all_are_ok(&stage, 3)).await;
    let clear = "SELECT count(*) FILTER (WHERE NOT ssl) || ' of ' || count(*) FROM pg_stat_ssl
                 JOIN pg_stat_activity USING (pid) WHERE application_name = 'punchdown'";
    let clear = database.ask(clear).expect("known");
    assert!(clear.starts_with("0 of ") && clear != "0 of 0", "in the clear: {clear}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_certificate_of_ours_is_named_as_that() {
    let (Some(cluster), folder) = (own(), folder()) else { return };
    let Some((stage, _)) = stage_on(folder.path(), Settings::default(), &cluster).await else { return };
    let authority = Authority::new();
    believes(&stage, &authority);
    rewrite(&stage, "tls = false", "tls = true\nca = \"ca.pem\"");
    speaks_tls(&cluster, &authority.host());
    cluster.put("ca.pem", &authority.pem()).expect("written");
    let demand = "local all all scram-sha-256\nhostssl t0 all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n\
                  host all all 127.0.0.1/32 scram-sha-256\n";
    cluster.put("pg_hba.conf", demand).expect("written");
    cluster.tell("ALTER SYSTEM SET ssl_ca_file = 'ca.pem'").expect("done");
    let line = journal_line(&stage);
    assert!(line.contains("E0507") && line.contains("certificate"), "{line}");
}
