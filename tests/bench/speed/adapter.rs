//! A question to an adapter as the host asks it (a fresh instance with its limits, on a thread for computing, what
//! it says converted and looked through) beside a bare call of the same component by wasmtime.

use std::time::Instant;

use ::punchdown::cli::stage;
use ::punchdown::domain::{Group, Json};
use ::punchdown::wasm::{Catalog, Limits, Sandbox, Serving};
use punchdown_tests::question::{BEGAN, about_new_account};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::measure::{Failed, Times, Told, per_second};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "adapter",
    exports: { default: async },
    require_store_data_send: true,
});

use self::punchdown::adapter::{log, types as wit};

const GROUP: &str = "HSS";
const CONFIG: &str = "{\"specification\":\"mobile-line\"}";
const DOCUMENTS: &str = "{\"account_info\":{\"i_account\":189,\"id\":\"15550001111@msisdn\",\"bill_status\":\"O\",\
    \"product_name\":\"GOLD\",\"blocked\":\"N\",\"customer_name\":\"A. Subscriber\"},\"sim_card\":null}";
/// One after the other, and some at a time.
const AT_A_TIME: [usize; 2] = [1, 4];

pub async fn run(questions: usize, _: Told) -> Result<(), Failed> {
    let component = stage::adapter(None, "oms-tmf641").await?;
    let sandbox = Sandbox::new()?;
    let adapter = sandbox.load(&component).await?;
    let config = Json::parse(CONFIG.to_owned())?;
    let serving = Serving { adapter, config, notify_at: None, limits: Limits::default() };
    let catalog = std::sync::Arc::new(Catalog::new([(Group(GROUP.to_owned()), serving)]));
    let bare = Bare::load(&component)?;
    for at_a_time in AT_A_TIME {
        let mut host = asked(at_a_time, questions, || {
            let catalog = std::sync::Arc::clone(&catalog);
            async move {
                let question = about_new_account(GROUP, CONFIG, DOCUMENTS);
                catalog.provision(question).await.map(drop).map_err(|error| error.to_string())
            }
        })
        .await?;
        let mut plain = asked(at_a_time, questions, || {
            let bare = bare.clone();
            async move { bare.call().await.map_err(|error| error.to_string()) }
        })
        .await?;
        let ratio = host.0.share(0.5).as_secs_f64() / plain.0.share(0.5).as_secs_f64();
        println!("{at_a_time} at a time   host  {}, {:.0}/s", host.0.told(), host.1);
        println!(
            "              bare  {}, {:.0}/s; the host takes {ratio:.2} times as long (p50)",
            plain.0.told(),
            plain.1
        );
    }
    Ok(())
}

async fn asked<F>(at_a_time: usize, questions: usize, ask: impl Fn() -> F) -> Result<(Times, f64), Failed>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    for _ in 0..100 {
        ask().await?;
    }
    let began = Instant::now();
    let mut all = Times::default();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..questions {
        while asking.len() >= at_a_time {
            all.add(asking.join_next().await.ok_or("nobody asks")???);
        }
        let question = ask();
        asking.spawn(async move {
            let asked = Instant::now();
            question.await.map(|()| asked.elapsed())
        });
    }
    while let Some(took) = asking.join_next().await {
        all.add(took??);
    }
    let rate = per_second(all.count(), began.elapsed());
    Ok((all, rate))
}

/// The same component with nothing around it.
#[derive(Clone)]
struct Bare {
    engine: Engine,
    pre: AdapterPre<Guest>,
}

struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl wit::Host for Guest {}

impl log::Host for Guest {
    fn write(&mut self, _: log::Level, _: String) {}
}

impl Bare {
    fn load(file: &std::path::Path) -> Result<Self, Failed> {
        let engine = Engine::default();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        Adapter::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |guest| guest)?;
        let component = Component::from_file(&engine, file)?;
        let pre = AdapterPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, pre })
    }

    async fn call(&self) -> wasmtime::Result<()> {
        let guest = Guest { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, guest);
        let adapter = self.pre.instantiate_async(&mut store).await?;
        let began = BEGAN.to_string();
        let operation = wit::Operation {
            id: "01KG8E5S00NEWACCOUNT000001".to_owned(),
            group: "HSS".to_owned(),
            i_account: "189".to_owned(),
            began: began.clone(),
            event: wit::Event {
                id: "1".to_owned(),
                name: "Account/New".to_owned(),
                received_at: began,
                variables: "{\"i_account\":189}".to_owned(),
                enclosed: "{}".to_owned(),
            },
            wanted: wit::Wanted::Running,
            subscriber: Some(wit::Subscriber {
                account_id: "15550001111@msisdn".to_owned(),
                msisdn: Some("15550001111".to_owned()),
                imsi: None,
                iccid: None,
                documents: DOCUMENTS.to_owned(),
            }),
            applied: None,
            config: CONFIG.to_owned(),
            notify_at: None,
            extras: "{}".to_owned(),
        };
        adapter.punchdown_adapter_external_system().call_provision(&mut store, &operation, &[]).await?;
        Ok(())
    }
}
