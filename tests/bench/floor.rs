//! The exchanges of one operation, and nothing else: what bare HTTP libraries reach on this machine with the
//! neighbours on it. An event is answered at once, an account read, an order made, its end heard of, and
//! PortaBilling told twice. Nothing is written down, nothing decided, and whatever fails is lost.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

type Failed = Box<dyn Error + Send + Sync>;

struct Floor {
    client: reqwest::Client,
    billing: String,
    oms: String,
    billing_token: String,
    oms_token: String,
    /// As many operations at a time as the host has slots.
    slots: Semaphore,
    orders: AtomicU64,
    /// Whose order it is.
    waiting: Mutex<BTreeMap<String, u64>>,
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = std::env::args().next_back().ok_or("no configuration")?;
    let config: toml::Table = std::fs::read_to_string(&file)?.parse()?;
    let folder = Path::new(&file).parent().ok_or("no folder")?;
    let text = |section: &toml::Value, name: &str| section[name].as_str().unwrap_or_default().to_owned();
    let secret = |name: &str| std::fs::read_to_string(folder.join("secrets").join(name));
    let client = reqwest::Client::builder().no_proxy().build()?;
    let billing = text(&config["portabilling"], "url");
    let log_in = json!({ "params": { "login": "punchdown", "token": secret("portabilling")? } });
    let session = client.post(format!("{billing}/rest/Session/login")).json(&log_in).send().await?;
    let session: Value = session.json().await?;
    let floor = Arc::new(Floor {
        client,
        billing,
        oms: text(&config["groups"]["HSS"]["target"], "url"),
        billing_token: session["access_token"].as_str().ok_or("no session")?.to_owned(),
        oms_token: secret("oms")?,
        slots: Semaphore::new(64),
        orders: AtomicU64::new(0),
        waiting: Mutex::default(),
    });
    let admin = TcpListener::bind(text(&config["admin"], "listen")).await?;
    let events = TcpListener::bind(text(&config["events"], "listen")).await?;
    let doors = Router::new()
        .route("/espf/events", post(event))
        .route("/notify/HSS", post(notification))
        .with_state(floor);
    let ready = Router::new().route("/readyz", get(async || StatusCode::OK));
    tokio::try_join!(axum::serve(events, doors), axum::serve(admin, ready))?;
    Ok(())
}

async fn event(State(floor): State<Arc<Floor>>, Json(event): Json<Value>) -> StatusCode {
    let Some(i_account) = event["variables"]["i_account"].as_u64() else { return StatusCode::BAD_REQUEST };
    tokio::spawn(async move {
        let _slot = floor.slots.acquire().await;
        floor.begin(i_account).await.unwrap_or_else(|error| eprintln!("{i_account}: {error}"));
    });
    StatusCode::OK
}

async fn notification(State(floor): State<Arc<Floor>>, Json(notice): Json<Value>) -> StatusCode {
    let order = &notice["event"]["serviceOrder"];
    let Some(id) = order["externalId"].as_str().filter(|_| order["state"] == "completed") else {
        return StatusCode::NO_CONTENT;
    };
    let whose = floor.waiting.lock().ok().and_then(|mut waiting| waiting.remove(id));
    if let Some(i_account) = whose {
        tokio::spawn(async move {
            floor.tell(i_account, "OK").await.unwrap_or_else(|error| eprintln!("{i_account}: {error}"));
        });
    }
    StatusCode::NO_CONTENT
}

impl Floor {
    async fn begin(&self, i_account: u64) -> Result<(), Failed> {
        let account = self.read("Account/get_account_info", i_account).await?;
        self.read("SIMCard/get_card_list", i_account).await?;
        let id = format!("floor-{}", self.orders.fetch_add(1, Ordering::Relaxed));
        let characteristic =
            |name: &str, value: &Value| json!({ "name": name, "valueType": "string", "value": value });
        let info = &account["account_info"];
        let order = json!({
            "externalId": id,
            "@type": "ServiceOrder",
            "serviceOrderItem": [{ "id": "1", "action": "add", "@type": "ServiceOrderItem", "service": {
                "@type": "Service",
                "serviceSpecification": { "id": "mobile-line" },
                "serviceCharacteristic": [
                    characteristic("accountId", &info["id"]), characteristic("status", &info["bill_status"]),
                    characteristic("product", &info["product_name"]), characteristic("i_account", &info["i_account"]),
                ],
            }}],
        });
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.insert(id, i_account);
        }
        let url = format!("{}/serviceOrder", self.oms);
        let made = self.client.post(url).bearer_auth(&self.oms_token).json(&order).send().await?;
        let _: Value = made.error_for_status()?.json().await?;
        self.tell(i_account, "IN_PROGRESS").await
    }

    async fn read(&self, method: &str, i_account: u64) -> Result<Value, Failed> {
        let url = format!("{}/rest/{method}", self.billing);
        let params = json!({ "params": { "i_account": i_account } });
        let read = self.client.post(url).bearer_auth(&self.billing_token).json(&params).send().await?;
        Ok(read.error_for_status()?.json().await?)
    }

    async fn tell(&self, i_account: u64, status: &str) -> Result<(), Failed> {
        let url = format!("{}/espf/v1/account/i/{i_account}/status", self.billing);
        let told = json!({ "status": status, "group": "HSS" });
        let taken = self.client.post(url).bearer_auth(&self.billing_token).json(&told).send().await?;
        taken.error_for_status()?.bytes().await?;
        Ok(())
    }
}
