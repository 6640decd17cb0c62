//! However a file comes to lie in its place: as a volume of Kubernetes, in a folder that was made anew, and by a hand that
//! writes it where it lies.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::Settings;
use serde_json::json;

use super::{SOON, edition_of, provisioned, put, reloaded};
use crate::either::over_postgres;
use crate::harness::{PROGRAM, folder, oms_adapter, stage_of, until};

/// What nobody tells of is looked at every thirty seconds.
const LOOKED_AT: Duration = Duration::from_secs(60);

/// A folder as Kubernetes mounts one: each file is a link into `..data`, and that is one to where the files lie.
struct Volume(PathBuf);

impl Volume {
    fn mounted(place: &Path, component: &[u8]) -> Self {
        fs::create_dir(place).expect("a folder");
        let volume = Self(place.to_owned());
        volume.update(1, component);
        symlink("..data/oms.wasm", place.join("oms.wasm")).expect("a link");
        volume
    }

    /// Only `..data` is another one: no file that a configuration names is written, renamed or removed.
    fn update(&self, number: u8, component: &[u8]) {
        let Self(place) = self;
        let version = format!("..version-{number}");
        fs::create_dir(place.join(&version)).expect("a folder");
        fs::write(place.join(&version).join("oms.wasm"), component).expect("written");
        symlink(&version, place.join("..data_tmp")).expect("a link");
        fs::rename(place.join("..data_tmp"), place.join("..data")).expect("renamed");
        if number > 1 {
            fs::remove_dir_all(place.join(format!("..version-{}", number - 1))).expect("removed");
        }
    }
}

/// When the host has taken over as many.
async fn taken_over(stage: &Stage, generation: u8, within: Duration) -> Duration {
    let began = Instant::now();
    until("it is taken over", within, async || reloaded(stage).await["generation"] == generation).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_taken_over_however_it_comes_to_lie_there() {
    let folder = folder();
    let Some(component) = oms_adapter() else { return };
    let component = fs::read(component).expect("a component");
    let mounted = folder.path().join("adapters");
    let volume = Volume::mounted(&mounted, &component);
    let adapter = mounted.join("oms.wasm");
    let mut stage = stage_of(PROGRAM, folder.path(), &adapter, Settings::default(), "", "").await;
    stage.open_accounts(9);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);

    // More than once: what is watched is another folder each time.
    for number in [2, 3, 4] {
        volume.update(number, &edition_of(&component, number));
        taken_over(&stage, number, SOON).await;
    }

    // While a folder is not there nobody can watch it; what served goes on.
    fs::remove_dir_all(&mounted).expect("removed");
    // A database has what served, so nothing is missed.
    if !over_postgres() {
        until("it is missed", LOOKED_AT, async || reloaded(&stage).await["problems"] != json!([])).await;
    }
    espf.emit("Account/New", json!({ "i_account": 1 }));
    provisioned(&stage, 1).await;
    fs::create_dir(&mounted).expect("a folder");
    put(&adapter, &edition_of(&component, 5));
    taken_over(&stage, 5, LOOKED_AT).await;
    assert_eq!(reloaded(&stage).await["problems"], json!([]));

    // From then on it is watched again: a look comes too late for this.
    put(&adapter, &edition_of(&component, 6));
    let took = taken_over(&stage, 6, LOOKED_AT).await;
    assert!(took < Duration::from_secs(15), "somebody told of it: {took:?}");
    // A hand that writes it where it lies, in two goes.
    let whole = edition_of(&component, 7);
    let (first, rest) = whole.split_at(whole.len() / 2);
    fs::write(&adapter, first).expect("written");
    tokio::time::sleep(Duration::from_millis(100)).await;
    fs::write(&adapter, [first, rest].concat()).expect("written");
    taken_over(&stage, 7, SOON).await;
    espf.emit("Account/New", json!({ "i_account": 2 }));
    provisioned(&stage, 2).await;
}
