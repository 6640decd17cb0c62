//! Every field of every answer for programs is documented, and every documented one is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use punchdown::cli::stage::{OMS_TOKEN, Stage};
use punchdown_kit::front::Demand;
use punchdown_kit::oms::{Odd, Settings};
use serde_json::{Value, json};

use crate::contract::{bent_contract, of_a_later_contract};
use crate::harness::{
    PROGRAM, component, counted, folder, front, oms_adapter, rewrite, stage, told, until, with_settings,
    workspace,
};
use crate::operators::{asked, operations, said};
use crate::reload::edition;

const SOON: Duration = Duration::from_secs(20);

/// The documented fields by the heading that they stand under.
fn documented(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let sections = page.split("\n## ").skip(1);
    let fields = |section: &str| -> BTreeSet<String> {
        let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        cells.map(str::to_owned).collect()
    };
    sections.map(|section| (section.lines().next().unwrap_or_default().to_owned(), fields(section))).collect()
}

/// The fields of an answer, by the names that the page gives them.
fn fields(answer: &Value, at: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let is_known = |prefix: &str| {
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
        known.iter().any(|field| field.strip_prefix(prefix).is_some_and(ends))
    };
    let has_more = known.iter().any(|field| {
        field.strip_prefix(at).is_some_and(|rest| !at.is_empty() && rest.starts_with(['.', '[']))
    });
    let open = format!("{at}.*");
    match answer {
        _ if known.contains(&open) => BTreeSet::from([open]),
        Value::Object(members) => {
            let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
            let any = ["<group>", "<state>", "<service>", "<table>"]
                .map(below)
                .into_iter()
                .find(|any| is_known(any));
            let place = |name: &str| any.clone().filter(|_| !is_known(&below(name))).unwrap_or(below(name));
            members.iter().flat_map(|(name, member)| fields(member, &place(name), known)).collect()
        }
        Value::Array(elements) => {
            let at = format!("{at}[]");
            elements.iter().flat_map(|element| fields(element, &at, known)).collect()
        }
        // What could have had more, and is not there.
        Value::Null if has_more => BTreeSet::new(),
        _ => BTreeSet::from([at.to_owned()]),
    }
}

/// Compares what was seen with what the page says, one heading after the other.
struct Compared {
    page: BTreeMap<String, BTreeSet<String>>,
    seen: BTreeMap<String, BTreeSet<String>>,
}

impl Compared {
    fn see(&mut self, heading: &str, answer: &Value) {
        let known = self.page.get(heading).unwrap_or_else(|| panic!("there is no `## {heading}`"));
        self.seen.entry(heading.to_owned()).or_default().extend(fields(answer, "", known));
    }

    async fn ask(&mut self, stage: &Stage, heading: &str, arguments: &[&str]) -> Value {
        let answer = asked(stage, arguments).await;
        self.see(heading, &answer);
        answer
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// Who has one that is done, one that is parked, and one that is held back by the breaker.
async fn busy(stage: &Stage, front: &punchdown_kit::front::Front) {
    let espf = stage.espf(0.0);
    let is_told = async |i_account, word: &str| {
        until(word, SOON, async || told(stage, i_account).last().is_some_and(|last| last == word)).await;
    };
    espf.emit("Account/New", json!({ "i_account": 1 }));
    is_told(1, "OK").await;
    stage.oms.answer_next(Odd::ErrorInSuccess);
    espf.emit("Account/New", json!({ "i_account": 2 }));
    is_told(2, "FAILED").await;
    front.demand(Demand::Silence);
    espf.emit("Account/New", json!({ "i_account": 3 }));
    let open = "punchdown_held{group=\"HSS\",by=\"breaker\"}";
    until("the breaker opens", SOON, async || counted(stage, open).await == 1).await;
    let held = async || operations(stage, &["--state", "held"]).await;
    until("it is found among the held", SOON, async || {
        held().await.first().is_some_and(|line| line["i_account"] == 3)
    })
    .await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let door = format!("http://{}/espf/events", stage.public);
    let letter = client.post(door).basic_auth("espf", Some("stage-espf-password")).body("no event at all");
    assert_eq!(letter.send().await.expect("an answer").status().as_u16(), 400);
}

async fn look_at_all(stage: &Stage, compared: &mut Compared) {
    compared.ask(stage, "GET /admin/v1/status", &["status"]).await;
    let both = asked(stage, &["status", "--problems"]).await;
    compared.see("GET /admin/v1/status", &both["status"]);
    compared.see("GET /admin/v1/operations", &both["stuck"]);
    for operation in operations(stage, &[]).await {
        let show = ["operation", "show", text(&operation["id"])];
        compared.ask(stage, "GET /admin/v1/operations/<id>", &show).await;
    }
    see_a_case(stage, compared).await;
    let events = compared.ask(stage, "GET /admin/v1/events", &["event", "list"]).await;
    let show = ["event", "show", text(&events["events"][0]["id"])];
    compared.ask(stage, "GET /admin/v1/events/<id>", &show).await;
    let letters =
        compared.ask(stage, "GET /admin/v1/dead-letters", &["event", "list", "--dead-letters"]).await;
    let show = ["event", "show", "--dead-letter", text(&letters["dead_letters"][0]["id"])];
    compared.ask(stage, "GET /admin/v1/dead-letters/<id>", &show).await;
    let notices = compared.ask(stage, "GET /admin/v1/notifications", &["notification", "list"]).await;
    let show = ["notification", "show", text(&notices["notifications"][0]["id"])];
    compared.ask(stage, "GET /admin/v1/notifications/<id>", &show).await;
    compared.ask(stage, "GET /admin/v1/accounts/<i_account>", &["account", "show", "1"]).await;
}

async fn do_what_can_be_done(stage: &Stage, compared: &mut Compared) {
    let parked = operations(stage, &["--state", "parked"]).await;
    let retry = ["operation", "retry", text(&parked[0]["id"]), "--who", "ann", "--why", "once more"];
    compared.ask(stage, "POST /admin/v1/operations/<id>/retry|restart|skip", &retry).await;
    let pause = ["target", "pause", "HSS", "--who", "ann", "--why", "for the night"];
    compared
        .ask(stage, "POST /admin/v1/groups/<group>/pause|resume|register|unregister|release", &pause)
        .await;
    let dry_run = ["resync", "--all", "--dry-run", "--who", "ann", "--why", "to see"];
    let resync = asked(stage, &dry_run).await;
    compared.see("GET /admin/v1/resync", &json!({ "resync": resync["resync"] }));
    let (status, differing) = answered(stage, "resync/differing").await;
    assert_eq!((status, &differing["differing"]), (200, &resync["differing"]));
    compared.see("GET /admin/v1/resync/differing", &differing);
    compared.ask(stage, "GET /admin/v1/audit", &["audit"]).await;
    let (status, nobody) = answered(stage, "accounts/77").await;
    assert_eq!(status, 404);
    compared.see("Errors", &nobody);
}

/// As a program asks that does without the commands.
async fn answered(stage: &Stage, path: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.get(format!("http://{}/admin/v1/{path}", stage.admin));
    let answer = request.bearer_auth("stage-admin-token").send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// What is printed whatever the exit code is.
async fn printed(stage: &Stage, arguments: &[&str], code: i32) -> Value {
    let output = said(stage, &[arguments, &["-o", "json"]].concat()).await;
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stderr.is_empty(), "all of it is in the answer: {output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A value that nobody can read any more.
fn damage(stage: &Stage) {
    let journal = rusqlite::Connection::open(stage.directory.join("data/journal.db")).expect("opens");
    journal.execute("UPDATE dead_letter SET body = x'00'", []).expect("written");
}

async fn of_adapter(arguments: &[&str]) -> Value {
    let mut command = tokio::process::Command::new(PROGRAM);
    let output = command.arg("adapter").args(arguments).args(["-o", "json"]).output().await.expect("it runs");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Of an operation that has a history.
async fn see_a_case(stage: &Stage, compared: &mut Compared) {
    let list = operations(stage, &[]).await;
    let mut recorded = None;
    for operation in &list {
        let (status, case) = answered(stage, &format!("operations/{}/case", text(&operation["id"]))).await;
        if status == 200 && case["steps"].as_array().is_some_and(|steps| steps.len() > 1) {
            compared.see("GET /admin/v1/operations/<id>/case", &case);
            recorded = Some(text(&operation["id"]).to_owned());
        }
    }
    let (id, adapter) = (recorded.expect("one has a history"), oms_adapter().expect("a component"));
    let to = stage.directory.join("recorded.json").display().to_string();
    let record = ["adapter", "record", &id, &adapter.display().to_string(), "--to", &to];
    compared.see("punchdown adapter record", &printed(stage, &record, 0).await);
}

/// Another edition serves, its configuration is refused then, and one setting waits.
async fn see_a_reload(stage: &Stage, compared: &mut Compared) {
    let adapter = oms_adapter().expect("a component");
    let other = stage.directory.join("other.wasm");
    std::fs::write(&other, edition(&adapter, 2)).expect("written");
    rewrite(stage, &adapter.display().to_string(), &other.display().to_string());
    compared.see("GET /admin/v1/reload", &printed(stage, &["reload"], 0).await);
    let third = stage.directory.join("third.wasm");
    std::fs::write(&third, edition(&adapter, 3)).expect("written");
    let install = ["adapter", "install", &third.display().to_string(), "--group", "HSS"];
    compared.see("punchdown adapter install", &printed(stage, &install, 0).await);
    let pin = ["adapter", "pin", "--group", "HSS"];
    compared.see("POST /admin/v1/groups/<group>/pin|unpin", &printed(stage, &pin, 0).await);
    compared.see("punchdown adapter list", &printed(stage, &["adapter", "list"], 0).await);
    let (status, kept) = answered(stage, "adapters").await;
    assert_eq!(status, 200);
    compared.see("GET /admin/v1/adapters", &kept);
    printed(stage, &[&pin[..], &["--off"]].concat(), 0).await;
    with_settings(stage, "events", "headers = 47");
    rewrite(stage, "specification = \"mobile-line\"", "specification = 7");
    compared.see("GET /admin/v1/reload", &printed(stage, &["reload"], 1).await);
    let off = printed(stage, &[&pin[..], &["--off"]].concat(), 1).await;
    compared.see("POST /admin/v1/groups/<group>/pin|unpin", &off);
    with_settings(stage, "events", "lisen = \"127.0.0.1:0\"");
    let (status, runs) = answered(stage, "config").await;
    assert_eq!(status, 200);
    compared.see("GET /admin/v1/config", &runs);
    let mut diff = printed(stage, &["config", "diff"], 1).await;
    diff["settings"] = runs["settings"].clone();
    assert_eq!(diff, runs, "the command leaves out what is the same");
    compared.see("punchdown config show", &printed(stage, &["config", "show"], 78).await);
    rewrite(stage, "lisen = \"127.0.0.1:0\"\n", "");
    rewrite(stage, "specification = 7", "specification = \"mobile-line\"");
    rewrite(stage, "headers = 47\n", "");
}

async fn try_an_adapter(stage: &Stage, adapter: &str, compared: &mut Compared) {
    let cases = workspace().join("adapters/oms-tmf641/cases");
    let (case, cases) = (cases.join("new-account.json").display().to_string(), cases.display().to_string());
    compared.see("punchdown adapter test", &of_adapter(&["test", adapter, &cases]).await);
    let bare = stage.directory.join("bare");
    std::fs::create_dir(&bare).expect("a folder");
    std::fs::write(bare.join("bare.json"), "{\"ask\": \"check-config\", \"config\": {}}").expect("written");
    let update = ["test", adapter, &bare.display().to_string(), "--update"];
    compared.see("punchdown adapter test --update", &of_adapter(&update).await);
    compared.see("punchdown adapter run", &of_adapter(&["run", adapter, &case]).await);
    compared.see("punchdown adapter bench", &of_adapter(&["bench", adapter, &cases, "--rounds", "1"]).await);
    compared.see("punchdown adapter doctor", &of_adapter(&["doctor"]).await);
    let later = of_a_later_contract(&stage.directory).display().to_string();
    compared.see("punchdown adapter inspect", &of_adapter(&["inspect", &later]).await);
    for other in [later, bent_contract(&stage.directory, "code: string,", "code: u32,").display().to_string()]
    {
        compared.see("punchdown adapter diff", &of_adapter(&["diff", adapter, &other]).await);
    }
    let project = stage.directory.join("lines").display().to_string();
    compared.see("punchdown adapter new", &of_adapter(&["new", &project]).await);
}

async fn moves_to_another_directory(stage: &Stage, compared: &mut Compared) {
    let (data, left) = (stage.directory.join("data"), stage.directory.join("left"));
    let file = stage.directory.join("moved").display().to_string();
    compared.see("punchdown journal export", &printed(stage, &["journal", "export", &file], 0).await);
    std::fs::rename(data, &left).expect("put away");
    let key = left.join("journal.key").display().to_string();
    let import = ["journal", "import", &file, "--key", &key];
    compared.see("punchdown journal import", &printed(stage, &import, 0).await);
}

async fn ask_without_a_host(stage: &Stage, adapter: &str, compared: &mut Compared) {
    try_an_adapter(stage, adapter, compared).await;
    // One that reads cards, one that needs a secret, and one that does neither.
    let others = ["adapters/hss-pyhss", "adapters/blank"].map(|name| component(name).expect("a component"));
    for path in others.iter().map(|path| path.display().to_string()).chain([adapter.to_owned()]) {
        compared.see("punchdown adapter inspect", &of_adapter(&["inspect", &path]).await);
    }
    compared.see("punchdown check", &printed(stage, &["check", "--online"], 0).await);
    with_settings(stage, "events", "lisen = \"127.0.0.1:0\"");
    compared.see("punchdown check", &printed(stage, &["check"], 78).await);
    rewrite(stage, "lisen = \"127.0.0.1:0\"\n", "");
    let copy = stage.directory.join("copy.db").display().to_string();
    compared.see("punchdown journal backup", &printed(stage, &["journal", "backup", &copy], 0).await);
    let ask = ["journal", "shell", "SELECT 1 AS one"];
    compared.see("punchdown journal shell", &printed(stage, &ask, 0).await);
    compared.see("punchdown journal verify", &printed(stage, &["journal", "verify"], 0).await);
    moves_to_another_directory(stage, compared).await;
    compared.see("punchdown journal rotate-key", &printed(stage, &["journal", "rotate-key"], 0).await);
    damage(stage);
    let output = said(stage, &["journal", "verify", "-o", "json"]).await;
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    compared.see("punchdown journal verify", &serde_json::from_slice(&output.stdout).expect("JSON"));
    for (heading, word) in [("punchdown explain CODE", Some("E0103")), ("punchdown explain", None)] {
        let mut command = tokio::process::Command::new(PROGRAM);
        let output = command.arg("explain").args(word).args(["-o", "json"]).output().await.expect("it runs");
        compared.see(heading, &serde_json::from_slice(&output.stdout).expect("JSON"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_every_answer_is_documented_and_there() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let breaker = "breaker = { failures = 1, pause = \"1h\", pause-max = \"1h\" }";
    rewrite(&stage, "breaker = { pause = \"200ms\", pause-max = \"1s\" }", breaker);
    let signed = "auth = { standard-webhooks = { secret = { file = \"secrets/oms-hook\" } } }";
    rewrite(&stage, signed, "register = true\nauth = \"registered\"");
    stage.oms.set_notify(None);
    let front = front(&stage, Demand::Bearer(OMS_TOKEN.to_owned())).await;
    // Of the fourth no event ever comes.
    stage.open_accounts(4);
    stage.start_host().await.expect("the host starts");
    let page = std::fs::read_to_string(workspace().join("docs/admin-api.md")).expect("the page");
    let mut compared = Compared { page: documented(&page), seen: BTreeMap::new() };

    busy(&stage, &front).await;
    look_at_all(&stage, &mut compared).await;
    do_what_can_be_done(&stage, &mut compared).await;
    see_a_reload(&stage, &mut compared).await;
    stage.stop_host().await.expect("it stops");
    ask_without_a_host(&stage, &adapter.display().to_string(), &mut compared).await;
    assert_eq!(compared.seen, compared.page, "what was seen, and what the page says");
}

#[test]
fn a_field_that_is_missing_on_either_side_is_found() {
    let page = documented(
        "#\n\n## GET /x\n\n| field | what |\n|---|---|\n| `a.<group>.b` | b |\n| `c[].d.*` | d |\n| `e.f` | f |\n",
    );
    let known = &page["GET /x"];
    let names = |answer: Value| fields(&answer, "", known).into_iter().collect::<Vec<_>>();
    assert_eq!(
        names(json!({ "a": { "HSS": { "b": 1 } }, "c": [{ "d": { "any": [] } }], "e": null })),
        ["a.<group>.b", "c[].d.*"]
    );
    assert_eq!(names(json!({ "a": { "HSS": { "z": 1 } }, "y": null })), ["a.<group>.z", "y"]);
}
