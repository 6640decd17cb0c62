//! A person at the operators' door of a host.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::ADMIN_TOKEN;
use crate::web;

const PATIENCE: Duration = Duration::from_secs(10);

pub struct Operator {
    admin: SocketAddr,
    client: Client,
}

/// An operation that is parked, in doubt or overdue.
pub struct Stuck {
    pub id: String,
    pub code: String,
    told: String,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

impl Operator {
    /// # Errors
    /// When there can be no client.
    pub fn at(admin: SocketAddr) -> io::Result<Self> {
        Ok(Self { admin, client: web::client(PATIENCE).map_err(io::Error::other)? })
    }

    /// What the host says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self) -> io::Result<Value> {
        self.read("status").await
    }

    /// # Errors
    /// When the host does not answer.
    pub async fn stuck(&self) -> io::Result<Vec<Stuck>> {
        let listed = self.read("operations?problems=true").await?;
        let mut stuck = Vec::new();
        for operation in listed["operations"].as_array().into_iter().flatten() {
            let id = operation["id"].as_str().unwrap_or_default().to_owned();
            let whole = self.read(&format!("operations/{id}")).await?;
            let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
            let (code, why) = (text(&whole["trouble"]["code"]), text(&whole["trouble"]["message"]));
            let told = format!("operation {id} of account {}: {code}: {why}", whole["i_account"]);
            stuck.push(Stuck { id, code, told });
        }
        Ok(stuck)
    }

    /// Has it tried again.
    ///
    /// # Errors
    /// When the host does not.
    pub async fn retry(&self, stuck: &Stuck) -> io::Result<()> {
        let act = self.client.post(self.url(&format!("operations/{}/retry", stuck.id)));
        let person = json!({ "who": "the stage", "why": stuck.code });
        self.asked(act.json(&person)).await.map(drop)
    }

    /// Has the adapter of a group asked again about whatever the host died of.
    ///
    /// # Errors
    /// When nothing is held against it, or the host does not answer.
    pub async fn release(&self, group: &str) -> io::Result<()> {
        let act = self.client.post(self.url(&format!("groups/{group}/release")));
        let person = json!({ "who": "the stage", "why": "the host was ended from outside" });
        self.asked(act.json(&person)).await.map(drop)
    }

    async fn read(&self, what: &str) -> io::Result<Value> {
        self.asked(self.client.get(self.url(what))).await
    }

    fn url(&self, what: &str) -> String {
        format!("http://{}/admin/v1/{what}", self.admin)
    }

    async fn asked(&self, request: RequestBuilder) -> io::Result<Value> {
        let answer = request.bearer_auth(ADMIN_TOKEN).send().await.map_err(io::Error::other)?;
        answer.error_for_status().map_err(io::Error::other)?.json().await.map_err(io::Error::other)
    }
}
