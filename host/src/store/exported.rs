//! The file of an exported journal: a head, each table's rows as lines of JSON, and a last line by which it is known
//! to be whole. What is sealed in the journal is sealed in it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::care::CareError;
use super::tables::{self, Counts, Kind, Row, Table, Value};
use super::text;
use crate::domain::hex;

/// Of the file, whatever the journal's version.
const FORMAT: u32 = 1;

/// One batch is written at a time.
const BATCH_ROWS_MAX: usize = 500;
const BATCH_BYTES_MAX: usize = 1 << 20;

/// What stands first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Head {
    pub punchdown_journal: u32,
    /// Of the journal.
    pub version: i64,
    /// Which key its values are sealed with.
    pub key: String,
}

impl Head {
    pub fn new(version: i64, key: String) -> Self {
        Self { punchdown_journal: FORMAT, version, key }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfTable<'a> {
    table: &'a str,
}

/// What stands last.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    rows: u64,
    /// Of all lines before it.
    sha256: String,
}

/// A file that is being written.
pub struct Export {
    path: PathBuf,
    file: BufWriter<File>,
    digest: Sha256,
    counts: Counts,
}

impl Export {
    /// Nobody else may read it.
    pub fn begin(path: &Path, head: &Head) -> Result<Self, CareError> {
        let file = File::options().create(true).truncate(true).write(true).mode(0o600).open(path);
        let file = BufWriter::new(file.map_err(CareError::write(path))?);
        let mut export =
            Self { path: path.to_owned(), file, digest: Sha256::new(), counts: Counts::default() };
        export.line(&json!(head).to_string())?;
        Ok(export)
    }

    /// Rows of that table follow.
    pub fn table(&mut self, table: &Table) -> Result<(), CareError> {
        self.line(&json!(OfTable { table: table.name }).to_string())
    }

    pub fn row(&mut self, table: &Table, row: &Row) -> Result<(), CareError> {
        self.counts.add(table, row);
        let line = Json::from(row.iter().map(written).collect::<Vec<_>>()).to_string();
        self.line(&line)
    }

    /// Whole, and synced.
    pub fn end(mut self) -> Result<Counts, CareError> {
        let sha256 = hex(&std::mem::take(&mut self.digest).finalize());
        self.line(&json!(End { rows: self.counts.rows, sha256 }).to_string())?;
        let written = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        written.map_err(CareError::write(&self.path))?;
        Ok(self.counts)
    }

    fn line(&mut self, line: &str) -> Result<(), CareError> {
        take_in(&mut self.digest, line);
        writeln!(self.file, "{line}").map_err(CareError::write(&self.path))
    }
}

/// A line, and its end.
fn take_in(digest: &mut Sha256, line: &str) {
    digest.update(line);
    digest.update("\n");
}

fn written(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => (*number).into(),
        Value::Truth(truth) => (*truth).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Sealed(bytes) => STANDARD.encode(bytes).into(),
    }
}

/// Rows of one table.
pub type Batch = (&'static Table, Vec<Row>);

/// By what a sender knows a message, in which table and group.
type Known = (&'static str, String, String);

/// A file that was looked through.
pub struct Looked {
    pub head: Head,
    pub counts: Counts,
    /// What stands there under an id as it came, from before such an id was stored as its digest, and under the digest.
    twice: HashSet<Known>,
}

/// The ids that cannot stay as they are, and those that stand there as a digest already.
#[derive(Default)]
struct Ids {
    changed: HashSet<Known>,
    digests: HashSet<Known>,
}

/// A file that is being read.
pub struct Import {
    path: PathBuf,
    lines: std::io::Lines<BufReader<File>>,
    digest: Sha256,
    head: Head,
    table: Option<&'static Table>,
    /// The first line of the next table.
    next: Option<String>,
    counts: Counts,
    ids: Ids,
    twice: HashSet<Known>,
}

impl Import {
    pub fn begin(path: &Path) -> Result<Self, CareError> {
        let failed = |source| CareError::Read { path: path.to_owned(), source };
        let mut lines = BufReader::new(File::open(path).map_err(failed)?).lines();
        let first = lines.next().transpose().map_err(failed)?.unwrap_or_default();
        let head: Option<Head> = serde_json::from_str(&first).ok();
        let Some(head) = head.filter(|head| head.punchdown_journal == FORMAT) else {
            return Err(CareError::NoExport {
                path: path.to_owned(),
                why: "it does not begin like one".to_owned(),
            });
        };
        let mut digest = Sha256::new();
        take_in(&mut digest, &first);
        Ok(Self {
            path: path.to_owned(),
            lines,
            digest,
            head,
            table: None,
            next: None,
            counts: Counts::default(),
            ids: Ids::default(),
            twice: HashSet::new(),
        })
    }

    /// Once more, from its beginning.
    pub fn again(path: &Path, looked: &Looked) -> Result<Self, CareError> {
        Ok(Self { twice: looked.twice.clone(), ..Self::begin(path)? })
    }

    /// Reads all of a file, and keeps nothing: whether it is whole.
    pub fn look_through(path: &Path) -> Result<Looked, CareError> {
        let mut import = Self::begin(path)?;
        while import.batch()?.is_some() {}
        let Self { head, counts, ids, .. } = import;
        let twice = ids.changed.intersection(&ids.digests).cloned().collect();
        Ok(Looked { head, counts, twice })
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The next rows; none, when the file has ended as it must.
    pub fn batch(&mut self) -> Result<Option<Batch>, CareError> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < BATCH_ROWS_MAX && bytes < BATCH_BYTES_MAX {
            let line = self.line()?;
            if !line.starts_with('[') {
                match self.table.filter(|_| !rows.is_empty()) {
                    Some(table) => {
                        self.next = Some(line);
                        return Ok(Some((table, rows)));
                    }
                    None if self.has_ended(&line)? => return Ok(None),
                    None => continue,
                }
            }
            let row = self.row(&line)?;
            bytes += row.iter().map(Value::bytes).sum::<usize>();
            rows.push(row);
        }
        Ok(self.table.map(|table| (table, rows)))
    }

    fn line(&mut self) -> Result<String, CareError> {
        let line = match self.next.take() {
            Some(line) => return Ok(line),
            None => self.lines.next().transpose(),
        };
        let line = line.map_err(|source| CareError::Read { path: self.path.clone(), source })?;
        line.ok_or_else(|| self.wrong("it ends too soon"))
    }

    /// A line between rows: another table, or the end.
    fn has_ended(&mut self, line: &str) -> Result<bool, CareError> {
        if let Ok(of) = serde_json::from_str::<OfTable<'_>>(line) {
            let table = tables::of_name(of.table);
            self.table = Some(table.ok_or_else(|| self.wrong("it has a table that no journal has"))?);
            take_in(&mut self.digest, line);
            return Ok(false);
        }
        let end: End =
            serde_json::from_str(line).map_err(|_| self.wrong("it has a line that is none of its own"))?;
        let sha256 = hex(&self.digest.clone().finalize());
        if end.sha256 != sha256 || end.rows != self.counts.rows || self.lines.next().is_some() {
            return Err(self.wrong("it is not as it was written"));
        }
        Ok(true)
    }

    fn row(&mut self, line: &str) -> Result<Row, CareError> {
        let values: Option<Vec<Json>> = serde_json::from_str(line).ok();
        let table = self.table.ok_or_else(|| self.wrong("it has a row of no table"))?;
        let values = values.filter(|values| values.len() == table.columns.len());
        let column = table.columns.iter().position(|(_, kind)| *kind == Kind::Id);
        let came = column.and_then(|at| values.as_ref()?.get(at)?.as_str().map(|id| (at, id.to_owned())));
        let row = values.and_then(|values| {
            values.into_iter().zip(table.columns).map(|(value, (_, kind))| read(value, *kind)).collect()
        });
        let mut row: Row = row.ok_or_else(|| self.wrong("it has a row that is none of its table"))?;
        if let Some((at, came)) = came {
            self.known_once(table, &mut row, at, &came);
        }
        take_in(&mut self.digest, line);
        self.counts.add(table, &row);
        Ok(row)
    }

    /// A sender who repeated a message whose id was stored as it came was not recognised: the later row is the one that
    /// its repeats find, and so it stays. The earlier one keeps all but the id.
    fn known_once(&mut self, table: &'static Table, row: &mut Row, at: usize, came: &str) {
        let (Some(Value::Text(group)), Value::Text(id)) = (table.of(row, "grp"), &row[at]) else { return };
        let known = (table.name, group.clone(), id.clone());
        if id == came {
            if text::is_digest(came) {
                self.ids.digests.insert(known);
            }
        } else if self.twice.contains(&known) {
            row[at] = Value::Null;
        } else {
            self.ids.changed.insert(known);
        }
    }

    fn wrong(&self, why: &str) -> CareError {
        CareError::NoExport { path: self.path.clone(), why: why.to_owned() }
    }
}

/// A journal may have been written before text from outside was stored as every engine takes it.
fn read(value: Json, kind: Kind) -> Option<Value> {
    Some(match (value, kind) {
        (Json::Null, _) => Value::Null,
        (Json::Number(number), Kind::Integer) => Value::Integer(number.as_i64()?),
        (Json::Bool(truth), Kind::Truth) => Value::Truth(truth),
        (Json::String(text), Kind::Text) => Value::Text(text::plain(&text).into_owned()),
        (Json::String(text), Kind::Id) => Value::Text(text::id(&text).into_owned()),
        (Json::String(text), Kind::Sealed) => Value::Sealed(STANDARD.decode(text).ok()?),
        _ => return None,
    })
}
