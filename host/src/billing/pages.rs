//! A list that PortaBilling hands out in pages, from the first to the one that is empty.

use serde_json::value::RawValue;

use super::Params;

/// Rows of one list. A longer one is not what was meant to be asked for.
pub const ROWS_MAX: usize = 10_000;

/// What was read of a list so far.
pub struct Pages {
    limit: u64,
    rows: Vec<Box<RawValue>>,
    ended: bool,
}

impl Pages {
    /// A list of which `limit` rows are asked for at a time.
    pub fn of(limit: u64) -> Self {
        Self { limit, rows: Vec::new(), ended: false }
    }

    /// The parameters that ask for the next page; none when there is no other.
    pub fn next(&self, params: &Params) -> Option<Params> {
        let mut params = params.clone();
        params.insert("limit".to_owned(), self.limit.into());
        params.insert("offset".to_owned(), self.rows.len().into());
        (!self.ended).then_some(params)
    }

    /// Takes the answer. A page that is not full says nothing: PortaBilling may have a limit of its own.
    ///
    /// # Errors
    /// When the list has more rows than any should.
    pub fn take(&mut self, page: Vec<Box<RawValue>>) -> Result<(), String> {
        // A method that knows no pages gives the same again and again.
        let again = self.rows.len() >= page.len()
            && page.iter().zip(&self.rows).all(|(row, first)| row.get() == first.get());
        if page.is_empty() || again {
            self.ended = true;
            return Ok(());
        }
        self.rows.extend(page);
        if self.rows.len() > ROWS_MAX {
            return Err(format!("the list has more than {ROWS_MAX} rows"));
        }
        Ok(())
    }

    pub fn rows(self) -> Vec<Box<RawValue>> {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list of `rows` from a server that gives `most` at a time; with the calls it took.
    fn read(rows: usize, most: usize, heeds_offset: bool) -> (Result<usize, String>, usize) {
        let (mut pages, mut calls) = (Pages::of(100), 0);
        let number = |params: &Params, name: &str| {
            params[name].as_u64().and_then(|number| usize::try_from(number).ok()).expect("a number")
        };
        while let Some(params) = pages.next(&Params::new()) {
            calls += 1;
            let offset = if heeds_offset { number(&params, "offset") } else { 0 };
            let page = (offset..rows).take(most.min(number(&params, "limit")));
            let row = |row: usize| RawValue::from_string(format!("{{\"id\":{row}}}")).expect("JSON");
            if let Err(why) = pages.take(page.map(row).collect()) {
                return (Err(why), calls);
            }
        }
        (Ok(pages.rows().len()), calls)
    }

    #[test]
    fn a_list_is_read_to_its_end_and_no_further() {
        for (rows, most, heeds_offset, calls) in [
            (0, 100, true, 1),
            (1, 100, true, 2),
            (100, 100, true, 2),
            (250, 100, true, 4),
            // A limit of its own, below ours.
            (250, 40, true, 8),
            // No pages at all.
            (3, 100, false, 2),
        ] {
            assert_eq!(read(rows, most, heeds_offset), (Ok(rows), calls), "{rows} rows, {most} at a time");
        }
        assert!(read(ROWS_MAX + 1, 100, true).0.expect_err("too many").contains("10000 rows"));
    }
}
