//! What a customer's event made is there once for each account, whatever happens in between.

use super::*;

pub(super) fn of_customer(number: u32) -> Event {
    let name = "Customer/Blocked".to_owned();
    Event { name, i_account: None, i_customer: Some(ICustomer(9)), ..event(number, 0) }
}

async fn begun(journal: &dyn Journal, number: u32) -> FanOut {
    let taken = journal.accept(of_customer(number), Work::FanOut(vec![hss(), oms()])).await;
    assert_eq!(taken.expect("stored"), Acceptance::New);
    due(journal).await
}

/// The one that is due.
async fn due(journal: &dyn Journal) -> FanOut {
    let mut due = journal.fan_outs_due(at(0), 10).await.expect("read");
    assert_eq!(due.len(), 1, "one is due");
    due.remove(0)
}

/// The operations of those accounts in the group `hss`.
fn page(of: &FanOut, accounts: &[u64], closed: bool) -> Vec<(Operation, Listed)> {
    let made = |i_account: &u64| {
        let id = OperationId(format!("01-{}-{i_account}-hss-{closed}", of.event.identity));
        let listed = Listed { i_account: IAccount(*i_account), closed };
        let deadline = Duration::from_secs(600);
        (Operation::received(id, hss(), service("HSS"), of.event.clone(), listed.i_account, deadline), listed)
    };
    accounts.iter().map(made).collect()
}

fn reached(from: &FanOut, position: u64, last: u64) -> Option<FanOut> {
    let reached = Reached { position, last: Some(IAccount(last)) };
    Some(FanOut { reached, ..from.clone() })
}

async fn leased(journal: &dyn Journal) -> Vec<u64> {
    let leased = lease(journal, at(0)).await;
    let mut accounts: Vec<_> = leased.iter().map(|(_, held)| held.operation.lane.i_account.0).collect();
    accounts.sort_unstable();
    accounts
}

#[tokio::test]
async fn a_fan_out_goes_on_where_it_stopped_and_ends() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        let first = begun(&*journal, 1).await;
        assert_eq!((first.i_customer, first.reached), (ICustomer(9), Reached::default()));
        assert_eq!(first.groups, [hss(), oms()]);
        let new = journal.fan_out(&first, page(&first, &[1, 2], false), reached(&first, 1, 2)).await;
        assert_eq!(new.expect("stored"), 2);
        drop(journal);
        let journal = backend.open().await;
        let second = due(&*journal).await;
        assert_eq!(Some(&second), reached(&first, 1, 2).as_ref());
        assert_eq!(overview(&*journal).await.fan_outs, 1);
        assert_eq!(journal.fan_out(&second, page(&second, &[3], false), None).await.expect("stored"), 1);
        assert!(journal.fan_outs_due(at(999), 10).await.expect("read").is_empty());
        assert_eq!(overview(&*journal).await.fan_outs, 0);
        assert_eq!(leased(&*journal).await, [1, 2, 3]);
    })
    .await;
}

#[tokio::test]
async fn a_lane_gets_one_operation_of_the_event() {
    every_journal(async |journal| {
        let from = begun(journal, 1).await;
        let to = Some(FanOut { attempts: 1, ..from.clone() });
        assert_eq!(journal.fan_out(&from, page(&from, &[1, 2], false), to).await.expect("stored"), 2);
        let again = due(journal).await;
        assert_eq!(again.attempts, 1);
        let mut wider = page(&again, &[1, 2, 3], false);
        for (operation, _) in &mut wider {
            operation.id.0.push_str("-again");
        }
        assert_eq!(journal.fan_out(&again, wider, None).await.expect("stored"), 1);
        assert_eq!(leased(journal).await, [1, 2, 3]);
    })
    .await;
}

#[tokio::test]
async fn what_is_closed_is_of_interest_only_while_something_stands() {
    every_journal(async |journal| {
        accept(journal, 1, 11).await;
        accept(journal, 2, 12).await;
        // Of 11 something stands, and nothing is open; of 12 an operation is.
        let mut lanes = lease(journal, at(0)).await;
        let at_11 = lanes.iter().position(|(_, held)| held.operation.lane.i_account.0 == 11).expect("leased");
        let (lease_of_11, held) = lanes.remove(at_11);
        let applied = Some(json("{\"order\": 1}"));
        save(journal, &lease_of_11, Change { applied, ..in_stage(held.operation, Stage::Finished) }, at(0))
            .await;
        let from = begun(journal, 3).await;
        assert_eq!(journal.fan_out(&from, page(&from, &[11, 12, 13], true), None).await.expect("stored"), 2);
    })
    .await;
}

#[tokio::test]
async fn who_read_a_page_too_late_writes_nothing() {
    every_journal(async |journal| {
        let from = begun(journal, 1).await;
        journal.fan_out(&from, page(&from, &[1], false), reached(&from, 0, 1)).await.expect("stored");
        let late = journal.fan_out(&from, page(&from, &[7], false), reached(&from, 0, 7)).await;
        assert!(matches!(late, Err(JournalError::LeaseLost)), "{late:?}");
        assert_eq!(leased(journal).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn the_same_number_of_another_customer_is_another_event() {
    every_journal(async |journal| {
        begun(journal, 1).await;
        let other = Event { i_customer: Some(ICustomer(10)), ..of_customer(1) };
        for expected in [Acceptance::New, Acceptance::Repeated] {
            let taken = journal.accept(other.clone(), Work::FanOut(vec![hss()])).await;
            assert_eq!(taken.expect("stored"), expected);
        }
        assert_eq!(overview(journal).await.fan_outs, 2);
    })
    .await;
}
