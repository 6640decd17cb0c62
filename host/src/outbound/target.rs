//! One target: its settings, its connections, and its requests as they leave.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, ClientBuilder, Identity, Method, Url};

use super::addresses::Resolver;
use super::fills::{self, Known};
use super::oauth2::{Grant, TOKEN_TIMEOUT, Tokens};
use super::turns::Turns;
use crate::domain::{Body, Digest, Request, Trouble};
use crate::ports::{Lack, Marks, SendError, SessionValues, World};
use crate::secret::{Secret, Vault};
use crate::web::{self, Rate, Roots, Validity};

/// A target of one group.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the adapter's paths are below of, without a slash at its end.
    pub url: String,
    pub auth: Auth,
    /// Of one exchange, its answer included.
    pub timeout: Duration,
    /// Bytes that an answer may have.
    pub answer_max: u64,
    /// The header that carries the idempotency key.
    pub key_header: String,
    /// Whether requests say which trace they are of.
    pub traceparent: bool,
    /// What the adapter's fills may name.
    pub secrets: BTreeMap<String, Secret>,
    /// Names of it may mean this machine.
    pub allow_loopback: bool,
    /// In place of the system's roots.
    pub roots: Option<Roots>,
    /// Certificate and key by which it knows us, as PEM.
    pub identity: Option<Secret>,
    pub rate: Option<Rate>,
}

impl Settings {
    /// Whether a header is this target's own to set.
    fn sets(&self, name: &str) -> bool {
        let credential = match &self.auth {
            Auth::Header { name, .. } => Some(name.as_str()),
            Auth::Basic { .. } | Auth::Bearer(_) | Auth::OAuth2(_) => Some("authorization"),
            Auth::None | Auth::Query { .. } => None,
        };
        let trace = self.traceparent.then_some(TRACEPARENT);
        let own = [Some(self.key_header.as_str()), credential, trace];
        own.into_iter().flatten().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// What tells it from any other. Whatever a request leaves by is in it, so that nothing changes unnoticed.
    pub fn identity(&self) -> Digest {
        let Self {
            url,
            auth,
            timeout,
            answer_max,
            key_header,
            traceparent,
            secrets,
            allow_loopback,
            roots,
            identity,
            rate,
        } = self;
        let secrets: Vec<_> = secrets.iter().map(|(name, secret)| (name, secret.expose())).collect();
        let (roots, identity) =
            (roots.as_ref().map(|roots| &roots.pem), identity.as_ref().map(Secret::expose));
        let way = (url, timeout, answer_max, key_header, traceparent, allow_loopback, rate);
        Digest::of(format!("{way:?} {:?} {secrets:?} {roots:?} {identity:?}", auth.told()).as_bytes())
    }

    /// For how long the certificate by which it knows us is good.
    pub fn certificate(&self) -> Option<Validity> {
        self.identity.as_ref().and_then(|identity| Validity::of_pem(identity.expose()))
    }

    /// A client for what is at `url` and belongs to this target.
    fn client(&self, url: &Url, timeout: Duration) -> reqwest::Result<Client> {
        self.builder(url, timeout)?.build()
    }

    /// One to which something is still to be added.
    pub fn builder(&self, url: &Url, timeout: Duration) -> reqwest::Result<ClientBuilder> {
        let names_this_machine = url.host_str() == Some("localhost");
        let resolver = Resolver { allow_loopback: self.allow_loopback || names_this_machine };
        let mut client = web::builder(timeout).dns_resolver(resolver);
        if let Some(roots) = &self.roots {
            client = client.tls_certs_only(roots.certificates.clone());
        } else if url.scheme() == "http" {
            // Nobody will ask for the system's roots, so they may be missing.
            client = client.tls_certs_only([]);
        }
        if let Some(identity) = &self.identity {
            client = client.identity(Identity::from_pem(identity.expose().as_bytes())?);
        }
        Ok(client)
    }
}

#[derive(Clone, Debug)]
pub enum Auth {
    None,
    Basic { user: String, password: Secret },
    Bearer(Secret),
    Header { name: String, value: Secret },
    Query { name: String, value: Secret },
    OAuth2(Grant),
}

impl Auth {
    /// All of it, its secret too.
    fn told(&self) -> (&'static str, Vec<&str>) {
        match self {
            Self::None => ("none", vec![]),
            Self::Basic { user, password } => ("basic", vec![user, password.expose()]),
            Self::Bearer(token) => ("bearer", vec![token.expose()]),
            Self::Header { name, value } => ("header", vec![name, value.expose()]),
            Self::Query { name, value } => ("query", vec![name, value.expose()]),
            Self::OAuth2(grant) => ("oauth2", grant.told()),
        }
    }
}

/// A request as it leaves, and what it is filled with beside the group's secrets.
pub struct Leaving<'a> {
    pub request: &'a Request,
    pub marks: &'a Marks,
    pub session: &'a SessionValues,
}

/// Of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

/// What stands for a secret that a target says back.
const STRUCK: &str = "(secret)";

pub struct Target {
    pub http: Client,
    pub settings: Settings,
    /// Where its tokens come from, when it wants some.
    pub tokens: Option<Tokens>,
    pub base: Url,
    pub identity: Digest,
    turns: Option<Arc<Turns>>,
}

impl Target {
    /// # Errors
    /// What of its settings cannot be used, in a sentence.
    pub fn new(settings: Settings, world: &Arc<dyn World>, vault: &Vault) -> Result<Self, String> {
        let base = Url::parse(&settings.url).map_err(|error| format!("`url`: {error}"))?;
        let client = |url: &Url, timeout| settings.client(url, timeout).map_err(|error| web::reason(&error));
        let http = client(&base, settings.timeout)?;
        let tokens = match &settings.auth {
            Auth::OAuth2(grant) => {
                let http = client(&grant.token_url, TOKEN_TIMEOUT.min(settings.timeout))?;
                Some(Tokens::new(http, grant.clone(), Arc::clone(world), vault.clone()))
            }
            _ => None,
        };
        let turns = settings.rate.and_then(Turns::new).map(Arc::new);
        let identity = settings.identity();
        Ok(Self { http, settings, tokens, base, identity, turns })
    }

    /// One that takes the place of another. Where both have the same rate, their requests together have no more. A
    /// secret that is named no more is known until the next start: what was begun may need it.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        if self.settings.rate == before.settings.rate {
            self.turns.clone_from(&before.turns);
        }
        for (name, secret) in &before.settings.secrets {
            self.settings.secrets.entry(name.clone()).or_insert_with(|| secret.clone());
        }
        self
    }

    /// Its rate is for so many instances.
    pub fn share(&self, among: NonZeroU32) {
        if let Some(turns) = &self.turns {
            turns.share(among);
        }
    }

    /// As the port's method of that name.
    pub async fn make_ready(&self, looks: bool) -> Result<(), Lack> {
        self.token().await?;
        let Some(turns) = &self.turns else { return Ok(()) };
        turns.take(looks).await.map_err(|pause| {
            let trouble = Trouble::new("target-rate", "the target's `rate` lets no more requests leave now");
            Lack { trouble, pause }
        })
    }

    /// The token that requests leave with, where the target wants one.
    pub async fn token(&self) -> Result<Option<Secret>, Lack> {
        match &self.tokens {
            Some(tokens) => tokens.bearer().await.map(Some),
            None => Ok(None),
        }
    }

    /// The secrets that leave with a request, and what stands for each wherever it comes back.
    pub fn told(&self, leaving: &Leaving<'_>, token: Option<&Secret>) -> Vec<(Secret, String)> {
        let credential = match &self.settings.auth {
            Auth::None => None,
            Auth::OAuth2(_) => token.cloned(),
            Auth::Basic { password: secret, .. }
            | Auth::Bearer(secret)
            | Auth::Header { value: secret, .. }
            | Auth::Query { value: secret, .. } => Some(secret.clone()),
        };
        // Of Basic, the word that is sent hides the password from nobody.
        let word = match &self.settings.auth {
            Auth::Basic { user, password } => {
                Some(Secret::new(STANDARD.encode(format!("{user}:{}", password.expose()))))
            }
            _ => None,
        };
        let credential = credential.into_iter().chain(word).map(|secret| (secret, STRUCK.to_owned()));
        fills::told(leaving.request, &self.known(leaving)).into_iter().chain(credential).collect()
    }

    fn known<'a>(&'a self, leaving: &Leaving<'a>) -> Known<'a> {
        Known { secrets: &self.settings.secrets, session: leaving.session }
    }

    pub fn build(
        &self,
        leaving: &Leaving<'_>,
        token: Option<&Secret>,
    ) -> Result<reqwest::Request, SendError> {
        let Leaving { request, marks, .. } = leaving;
        let refused = |why: String| SendError::Refused(format!("request `{}`: {why}", request.label));
        let filled = fills::fill(request, &self.known(leaving)).map_err(refused)?;
        let method = Method::from_bytes(filled.method.as_bytes())
            .map_err(|_| refused(format!("`{}` is not a method", filled.method)))?;
        let mut wire = self.http.request(method, self.address(&filled).map_err(refused)?);
        for header in &filled.headers {
            if self.settings.sets(&header.name) {
                return Err(refused(format!("the header `{}` is the host's to set", header.name)));
            }
            wire = wire.header(&header.name, &header.value);
        }
        wire = wire.header(&self.settings.key_header, &marks.key);
        if self.settings.traceparent {
            wire = wire.header(TRACEPARENT, marks.trace.parent_of(&marks.key));
        }
        wire = match &self.settings.auth {
            // Part of the address, or the token below.
            Auth::None | Auth::Query { .. } | Auth::OAuth2(_) => wire,
            Auth::Basic { user, password } => wire.basic_auth(user, Some(password.expose())),
            Auth::Bearer(token) => wire.bearer_auth(token.expose()),
            Auth::Header { name, value } => wire.header(name, value.expose()),
        };
        if let Some(token) = token {
            wire = wire.bearer_auth(token.expose());
        }
        wire = match filled.body {
            Body::Empty => wire,
            Body::Text(text) => wire.body(text),
            Body::Bytes(bytes) => wire.body(bytes),
        };
        wire.build().map_err(|error| refused(web::reason(&error)))
    }

    /// Where a request goes. Looked at once more, as it leaves: a fill may have changed its path.
    fn address(&self, filled: &Request) -> Result<Url, String> {
        let leads_out = || "its path leads out of the target".to_owned();
        let url = Url::parse(&format!("{}{}", self.settings.url, filled.path)).map_err(|_| leads_out())?;
        let is_below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        let stays = filled.stays_below_target()
            && url.origin() == self.base.origin()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path().strip_prefix(self.base.path().trim_end_matches('/')).is_some_and(is_below);
        if stays { self.with_key(url) } else { Err(leads_out()) }
    }

    /// The credential that stands in the address. It is written as `fills::strike` looks for it.
    fn with_key(&self, mut url: Url) -> Result<Url, String> {
        let Auth::Query { name, value } = &self.settings.auth else { return Ok(url) };
        if url.query_pairs().any(|(own, _)| own == name.as_str()) {
            return Err(format!("the query's `{name}` is the host's to set"));
        }
        let key = format!("{name}={}", utf8_percent_encode(value.expose(), NON_ALPHANUMERIC));
        let query = match url.query().filter(|query| !query.is_empty()) {
            Some(query) => format!("{query}&{key}"),
            None => key,
        };
        url.set_query(Some(&query));
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Chance, Delivery, Escape, Fill, Timestamp};

    fn target(url: &str, auth: Auth) -> Target {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let world: Arc<dyn World> = Arc::new(Still);
        let settings = Settings {
            url: url.to_owned(),
            auth,
            timeout: Duration::from_secs(1),
            answer_max: 1 << 20,
            key_header: "Idempotency-Key".to_owned(),
            traceparent: false,
            secrets: BTreeMap::from([("id".to_owned(), Secret::new("../../admin"))]),
            allow_loopback: false,
            roots: None,
            identity: None,
            rate: None,
        };
        Target::new(settings, &world, &Vault::default()).expect("a target")
    }

    fn marks() -> Marks {
        let id = crate::domain::OperationId("01J".to_owned());
        Marks { key: "key".to_owned(), trace: crate::domain::Trace::of_operation(&id) }
    }

    /// Time stands still.
    struct Still;

    impl World for Still {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }

        fn chance(&self) -> Chance {
            Chance(0.0)
        }

        fn new_id(&self) -> String {
            String::new()
        }
    }

    fn request(path: &str, escape: Escape) -> Request {
        Request {
            label: "look".to_owned(),
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: vec![],
            body: Body::Empty,
            delivery: Delivery::Repeatable,
            fills: vec![Fill { mark: "@@id@@".to_owned(), source: "secret.id".to_owned(), escape }],
            extras: None,
        }
    }

    #[test]
    fn one_that_takes_anothers_place_keeps_its_rate_and_what_was_begun_may_need() {
        let rate = |requests: u32| Rate {
            requests: requests.try_into().expect("some"),
            per: Duration::from_secs(60),
        };
        let with = |requests: u32, name: &str, value: &str| {
            let mut target = target("http://oms.example", Auth::None);
            target.settings.secrets = BTreeMap::from([(name.to_owned(), Secret::new(value))]);
            target.settings.rate = Some(rate(requests));
            target.turns = Turns::new(rate(requests)).map(Arc::new);
            target
        };
        let share = |one: &Target, other: &Target| {
            one.turns.as_ref().zip(other.turns.as_ref()).is_some_and(|(one, other)| Arc::ptr_eq(one, other))
        };
        let before = with(1, "old", "1");
        let after = with(1, "new", "2").after(&before);
        assert!(share(&after, &before));
        let names: Vec<_> = after.settings.secrets.keys().map(String::as_str).collect();
        assert_eq!(names, ["new", "old"]);
        let changed = with(2, "old", "3").after(&before);
        assert!(!share(&changed, &before));
        assert_eq!(changed.settings.secrets["old"].expose(), "3", "what is named now counts");
    }

    #[test]
    fn a_request_goes_to_its_target_and_nowhere_else() {
        for (base, path, escape, goes_to) in [
            ("http://oms.example", "/", Escape::Verbatim, Some("http://oms.example/")),
            ("http://oms.example/api", "/x?y=1", Escape::Verbatim, Some("http://oms.example/api/x?y=1")),
            (
                "http://oms.example/api",
                "/http://evil/",
                Escape::Verbatim,
                Some("http://oms.example/api/http://evil/"),
            ),
            (
                "http://oms.example/api",
                "/x?id=@@id@@",
                Escape::Verbatim,
                Some("http://oms.example/api/x?id=../../admin"),
            ),
            ("http://oms.example", "/a/@@id@@", Escape::Verbatim, None),
            ("http://oms.example/api", "/@@id@@", Escape::Verbatim, None),
            ("http://oms.example/api", "/@@id@@", Escape::Url, None),
            ("http://oms.example", "@evil.example/", Escape::Verbatim, None),
            ("http://oms.example", ".evil.example/", Escape::Verbatim, None),
            ("http://oms.example", ":99/", Escape::Verbatim, None),
            ("http://oms.example", "//evil.example/", Escape::Verbatim, None),
            ("http://oms.example", "/\\evil.example/", Escape::Verbatim, None),
            ("http://oms.example/api", "/../x", Escape::Verbatim, None),
            ("http://oms.example/api", "-internal/x", Escape::Verbatim, None),
        ] {
            let request = request(path, escape);
            let leaving = Leaving { request: &request, marks: &marks(), session: &BTreeMap::new() };
            let built = target(base, Auth::None).build(&leaving, None);
            match (built, goes_to) {
                (Ok(wire), Some(url)) => assert_eq!(wire.url().as_str(), url),
                (Err(SendError::Refused(why)), None) => assert!(why.contains("leads out"), "{why}"),
                (built, _) => panic!("{base} {path}: {built:?}"),
            }
        }
    }
    #[test]
    fn a_key_in_the_query_is_the_hosts_alone() {
        let key = || Auth::Query { name: "key".to_owned(), value: Secret::new("a&b c") };
        for (path, goes_to) in [
            ("/x", Some("http://oms.example/x?key=a%26b%20c")),
            ("/x?", Some("http://oms.example/x?key=a%26b%20c")),
            ("/x?y=1", Some("http://oms.example/x?y=1&key=a%26b%20c")),
            ("/x?key=mine", None),
            ("/x?y=1&%6bey=mine", None),
        ] {
            let target = target("http://oms.example", key());
            let request = Request { fills: vec![], ..request(path, Escape::Verbatim) };
            let leaving = Leaving { request: &request, marks: &marks(), session: &BTreeMap::new() };
            match (target.build(&leaving, None), goes_to) {
                (Ok(wire), Some(url)) => assert_eq!(wire.url().as_str(), url),
                (Err(SendError::Refused(why)), None) => assert!(why.contains("host's to set"), "{why}"),
                (built, _) => panic!("{path}: {built:?}"),
            }
            assert_eq!(target.told(&leaving, None).len(), 1, "it is struck where it comes back");
        }
    }
}
