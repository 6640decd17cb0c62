//! The life of an operation: what has to stand is made in the order in which it hangs together, and taken away
//! in the other one.

use punchdown_adapter::{Flow, Operation, Status, Stop, Value, Wanted, json};

use crate::config::{Config, Ims};
use crate::line::Line;
use crate::policy;
use crate::record::{AUC, IMS, SUBSCRIBER, Work, text};
use crate::standing::{Auc, Standing};

pub fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
    let Ok(config) = Config::read(&operation.config) else {
        return Err(flow.park("configuration", "it is not as it was checked"));
    };
    let Ok(standing) = Standing::read(operation.applied.as_ref()) else {
        return Err(flow.park("applied", "what stands was not written by this adapter"));
    };
    let mut work = Work::new(flow, standing);
    match operation.wanted {
        Wanted::Running => running(&mut work, &config, operation),
        Wanted::Suspended => suspended(&mut work, &config, operation),
        Wanted::Gone => gone(&mut work, &config, operation),
    }
}

fn running(work: &mut Work<'_, '_>, config: &Config, operation: &Operation) -> Result<(), Stop> {
    let Some(subscriber) = &operation.subscriber else {
        return Err(work.park("imsi-unknown", "nothing is known of the account"));
    };
    let line = match Line::of(config, subscriber) {
        Ok(line) => line,
        Err((code, why)) => return Err(work.park(code, why)),
    };
    work.flow.key(&line.imsi);
    let apns = apns(work, &line)?;

    let standing = &mut *work.standing;
    standing.takes_card(&line.imsi);
    standing.imsis.insert(line.imsi.clone());
    standing.msisdns.extend(line.msisdn.clone());
    let auc_id = card(work, &line)?;
    let default_apn = apns.iter().find(|(name, _)| *name == line.profile.default_apn);
    let ids: Vec<u64> = apns.iter().map(|(_, id)| *id).collect();
    let default_apn = default_apn.map_or(ids[0], |(_, id)| *id);
    subscriber_record(work, &line, line.members(auc_id, default_apn, &ids))?;
    match &config.ims {
        Some(ims) => ims_record(work, &line, ims)?,
        // The group makes none any more.
        None if work.standing.ims.is_some() => remove_ims(work)?,
        None => {}
    }
    // All of it bears the new names by now, and nothing the old ones.
    work.standing.imsis = [line.imsi.clone()].into();
    work.standing.msisdns = line.msisdn.iter().cloned().collect();
    while let Some(old) = work.standing.old_aucs.last().cloned() {
        remove_card(work, &old)?;
        work.standing.old_aucs.pop();
    }
    work.flow.report(Status::Ok, None);
    policy::push(work, config, &line, &apns)
}

/// The APNs of the profile with their ids. They are the network's: every subscriber shares them, so they are never made
/// and never removed.
fn apns<'l>(work: &mut Work<'_, '_>, line: &'l Line<'_>) -> Result<Vec<(&'l str, u64)>, Stop> {
    let known = work.list("list-apns", "/apn/list")?;
    let id_of = |name: &str| {
        let named =
            known.iter().filter(|apn| apn["apn"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(name)));
        named.filter_map(|apn| apn["apn_id"].as_u64()).min()
    };
    let found = |name: &'l String| id_of(name).map(|id| (name.as_str(), id)).ok_or(name);
    let apns: Result<Vec<_>, _> = line.profile.apns.iter().map(found).collect();
    apns.map_err(|name| work.park("apn-unknown", format!("the HSS has no APN `{name}`")))
}

/// The AuC of the card that is in use, with its keys where we know them.
fn card(work: &mut Work<'_, '_>, line: &Line<'_>) -> Result<u64, Stop> {
    let mut auc = work.standing.auc.clone().unwrap_or_else(|| Auc::of(&line.imsi));
    let mut found = match auc.id {
        Some(id) => work.by_id(&AUC, id)?.filter(|record| record["imsi"] == *line.imsi),
        None => None,
    };
    if found.is_none() {
        found = work.by(&AUC, "imsi", &line.imsi)?;
    }
    let Some(sim) = &line.sim else {
        // Somebody else's, unless we wrote it once: then it stays ours. Nothing of it is changed.
        let Some(id) = found.and_then(|record| AUC.id_of(&record)) else {
            let why = "the HSS has no AuC of this IMSI, and no keys are known of which to make one";
            return Err(work.park("auc-unknown", why));
        };
        work.standing.auc = Some(Auc { id: Some(id), ..auc });
        return Ok(id);
    };
    auc.is_ours = true;
    work.standing.auc = Some(auc.clone());
    let (record, is_new) = match found {
        Some(record) => (record, false),
        None => {
            let members = line.card().into_iter().chain(sim.members()).chain([("sqn", json!(0))]);
            work.create(&AUC, members.collect(), ("imsi", &line.imsi))?
        }
    };
    let Some(id) = AUC.id_of(&record) else {
        return Err(work.park("not-understood", "an AuC without an id"));
    };
    auc.id = Some(id);
    work.standing.auc = Some(auc.clone());
    let mut wanted = line.card();
    let digest = Some(sim.digest());
    if !is_new && auc.keys != digest {
        wanted.extend(sim.members());
    }
    work.set(&AUC, record, wanted, Vec::new())?;
    work.standing.auc = Some(Auc { keys: digest, ..auc });
    Ok(id)
}

fn subscriber_record(
    work: &mut Work<'_, '_>,
    line: &Line<'_>,
    wanted: Vec<(&'static str, Value)>,
) -> Result<(), Stop> {
    let mut found = ours(work)?;
    if found.is_none() {
        found = work.by(&SUBSCRIBER, "imsi", &line.imsi)?;
    }
    if let (None, Some(msisdn)) = (&found, &line.msisdn) {
        // Numbers need not be unique there: one more record of the same would be one too many.
        found = work.by(&SUBSCRIBER, "msisdn", msisdn)?;
    }
    let record = match found {
        Some(record) => {
            adopt(work, &record);
            match record["imsi"] == *line.imsi {
                true => record,
                // The card that was taken out is not left in the network.
                false => switch_off(work, record)?,
            }
        }
        None => work.create(&SUBSCRIBER, wanted.clone(), ("imsi", &line.imsi))?.0,
    };
    adopt(work, &record);
    work.set(&SUBSCRIBER, record, wanted, Vec::new())?;
    Ok(())
}

/// The record that was remembered, if it is still this account's.
fn ours(work: &mut Work<'_, '_>) -> Result<Option<Value>, Stop> {
    let Some(id) = work.standing.subscriber else { return Ok(None) };
    let record = work.by_id(&SUBSCRIBER, id)?;
    Ok(record.filter(|record| work.standing.owns(record)))
}

/// Takes a record for this account's, by the names that it bears until it is changed.
fn adopt(work: &mut Work<'_, '_>, record: &Value) {
    let standing = &mut *work.standing;
    standing.subscriber = SUBSCRIBER.id_of(record);
    standing.imsis.extend(text(&record["imsi"]));
    standing.msisdns.extend(text(&record["msisdn"]).map(|msisdn| msisdn.trim_start_matches('+').to_owned()));
}

fn ims_record(work: &mut Work<'_, '_>, line: &Line<'_>, ims: &Ims) -> Result<(), Stop> {
    let msisdn = line.msisdn.as_deref().unwrap_or_default();
    let mut wanted = vec![
        ("imsi", json!(line.imsi)),
        ("msisdn", json!(msisdn)),
        ("msisdn_list", json!(msisdn)),
        ("ifc_path", json!(ims.ifc_path)),
    ];
    wanted.extend(ims.sh_template_path.as_ref().map(|path| ("sh_template_path", json!(path))));
    let mut found = our_ims(work)?;
    for (way, name) in [("ims_subscriber_msisdn", msisdn), ("ims_subscriber_imsi", line.imsi.as_str())] {
        if found.is_none() {
            found = work.by(&IMS, way, name)?;
        }
    }
    let record = match found {
        Some(record) => record,
        None => work.create(&IMS, wanted.clone(), ("ims_subscriber_msisdn", msisdn))?.0,
    };
    work.standing.ims = IMS.id_of(&record);
    work.standing.msisdns.extend(text(&record["msisdn"]));
    work.set(&IMS, record, wanted, Vec::new())?;
    Ok(())
}

fn our_ims(work: &mut Work<'_, '_>) -> Result<Option<Value>, Stop> {
    let Some(id) = work.standing.ims else { return Ok(None) };
    let record = work.by_id(&IMS, id)?;
    Ok(record.filter(|record| work.standing.owns(record)))
}

/// Switches a subscriber off. The system tells the network only of what stands in the change itself.
fn switch_off(work: &mut Work<'_, '_>, record: Value) -> Result<Value, Stop> {
    let served = text(&record["serving_mme"]).is_some();
    let names = ["imsi", "serving_mme", "serving_mme_realm"].into_iter().filter(|_| served);
    let also = names.map(|name| (name, record[name].clone())).collect();
    work.set(&SUBSCRIBER, record, vec![("enabled", json!(false))], also)
}

fn suspended(work: &mut Work<'_, '_>, config: &Config, operation: &Operation) -> Result<(), Stop> {
    let mut found = ours(work)?;
    for imsi in work.standing.imsis.clone() {
        if found.is_none() {
            let record = work.by(&SUBSCRIBER, "imsi", &imsi)?;
            found = record.filter(|record| work.standing.owns(record));
        }
    }
    let card = operation.subscriber.as_ref().and_then(|subscriber| subscriber.imsi.as_ref());
    if let (None, Some(imsi)) = (&found, card)
        && !work.standing.imsis.contains(imsi)
    {
        // Nobody remembers it, but the card is this account's.
        found = work.by(&SUBSCRIBER, "imsi", imsi)?;
    }
    if let Some(record) = found {
        if let Some(imsi) = text(&record["imsi"]) {
            work.flow.key(imsi);
        }
        adopt(work, &record);
        switch_off(work, record)?;
    }
    work.say();
    policy::report_ok(work, config);
    Ok(())
}

fn gone(work: &mut Work<'_, '_>, config: &Config, operation: &Operation) -> Result<(), Stop> {
    if *work.standing == Standing::default()
        && let Some(subscriber) = &operation.subscriber
        && let (Some(imsi), Some(msisdn)) = (&subscriber.imsi, &subscriber.msisdn)
    {
        // Nobody remembers it. A card may be somebody else's by now, so both names must fit.
        work.standing.imsis = [imsi.clone()].into();
        work.standing.msisdns = [msisdn.trim_start_matches('+').to_owned()].into();
    }
    if config.ims.is_some() || work.standing.ims.is_some() {
        remove_ims(work)?;
    }
    remove_subscriber(work)?;
    while let Some(auc) = work.standing.auc.take().or_else(|| work.standing.old_aucs.pop()) {
        // It is named until it is gone.
        work.standing.old_aucs.push(auc.clone());
        remove_card(work, &auc)?;
        work.standing.old_aucs.pop();
    }
    *work.standing = Standing::default();
    work.say();
    policy::report_ok(work, config);
    Ok(())
}

fn remove_ims(work: &mut Work<'_, '_>) -> Result<(), Stop> {
    let mut found = our_ims(work)?;
    for msisdn in work.standing.msisdns.clone() {
        if found.is_none() {
            let record = work.by(&IMS, "ims_subscriber_msisdn", &msisdn)?;
            found = record.filter(|record| work.standing.owns(record));
        }
    }
    if let Some(record) = found {
        work.remove(&IMS, &record)?;
    }
    work.standing.ims = None;
    Ok(())
}

fn remove_subscriber(work: &mut Work<'_, '_>) -> Result<(), Stop> {
    let mut found = ours(work)?;
    for imsi in work.standing.imsis.clone() {
        if found.is_none() {
            let record = work.by(&SUBSCRIBER, "imsi", &imsi)?;
            found = record.filter(|record| work.standing.owns(record));
        }
    }
    if let Some(record) = found {
        adopt(work, &record);
        // Whoever is attached would stay so, if the record just went.
        let record = match text(&record["serving_mme"]) {
            Some(_) => switch_off(work, record)?,
            None => record,
        };
        work.remove(&SUBSCRIBER, &record)?;
    }
    work.standing.subscriber = None;
    Ok(())
}

/// Removes the AuC of a card that we made, unless somebody uses it: the card may have gone to another account.
fn remove_card(work: &mut Work<'_, '_>, auc: &Auc) -> Result<(), Stop> {
    if !auc.is_ours || work.by(&SUBSCRIBER, "imsi", &auc.imsi)?.is_some() {
        return Ok(());
    }
    let mut found = match auc.id {
        Some(id) => work.by_id(&AUC, id)?.filter(|record| record["imsi"] == *auc.imsi),
        None => None,
    };
    if found.is_none() {
        found = work.by(&AUC, "imsi", &auc.imsi)?;
    }
    match found {
        Some(record) => work.remove(&AUC, &record),
        None => Ok(()),
    }
}
