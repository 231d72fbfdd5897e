//! Verifying: reads every file of an archive again, computes every hash again, and adds up the money again.
//!
//! Needs the archive alone. Memory: a row group, and a sum for each balance.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::file::read;
use crate::manifest::MANIFEST;
use crate::rows::{
    BalanceRow, CashMovementRow, ExecutionRow, OrderRow, PositionMovementRow, TradeAmendmentRow,
    TradeRow,
};
use crate::table::Row;
use crate::{ArchiveError, Manifest};

/// An archive in which everything is as it was written.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Its directory.
    pub path: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
}

/// Verifies the archive in `directory`.
///
/// # Errors
/// [`ArchiveError::Damaged`] with the file and what is wrong, [`ArchiveError::NoArchive`], and the operating
/// system's.
pub fn verify(directory: &Path) -> Result<Verified, ArchiveError> {
    let manifest = Manifest::read(directory)?;
    let manifest =
        manifest.ok_or_else(|| ArchiveError::NoArchive { path: directory.to_owned() })?;
    verify_files(directory, manifest)
}

/// Reads a table of an archive and shows `see` each row.
///
/// # Errors
/// As [`verify`].
pub fn read_rows<R: Row>(
    directory: &Path,
    manifest: &Manifest,
    mut see: impl FnMut(R) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    for file in manifest.files_of(R::TABLE) {
        read(&directory.join(&file.name), file, &mut see)?;
    }
    Ok(())
}

/// Verifies the files in `directory` against a manifest.
pub(crate) fn verify_files(directory: &Path, manifest: Manifest) -> Result<Verified, ArchiveError> {
    let mut sums = Sums::default();
    let mut last = 0;
    read_rows(directory, &manifest, |row: OrderRow| {
        in_order(directory, OrderRow::TABLE, &mut last, row.sequence)
    })?;
    let (mut executions, mut last) = (0_u64, 0);
    read_rows(directory, &manifest, |row: ExecutionRow| {
        executions += 1;
        in_order(directory, ExecutionRow::TABLE, &mut last, row.sequence)
    })?;
    let (mut trades, mut last) = (0_u64, 0);
    read_rows(directory, &manifest, |row: TradeRow| {
        trades += 1;
        in_order(directory, TradeRow::TABLE, &mut last, row.match_number)
    })?;
    if executions != 2 * trades {
        let what = format!("{executions} executions of {trades} trades, not two of each");
        return Err(ArchiveError::damaged(directory, what));
    }
    let mut last = 0;
    read_rows(directory, &manifest, |row: TradeAmendmentRow| {
        in_order(directory, TradeAmendmentRow::TABLE, &mut last, row.sequence)
    })?;
    read_rows(directory, &manifest, |row: CashMovementRow| {
        sums.add(row.account, "C", row.currency.as_str(), row.amount, row.balance);
        Ok(())
    })?;
    read_rows(directory, &manifest, |row: PositionMovementRow| {
        sums.add(row.account, "S", row.symbol.as_str(), row.amount, row.balance);
        Ok(())
    })?;
    read_rows(directory, &manifest, |row: BalanceRow| {
        sums.settle(&row).map_err(|what| ArchiveError::damaged(directory, what))
    })?;
    sums.finish().map_err(|what| ArchiveError::damaged(directory, what))?;
    Ok(Verified { path: directory.to_owned(), manifest })
}

fn in_order(
    directory: &Path,
    table: &str,
    last: &mut i64,
    sequence: i64,
) -> Result<(), ArchiveError> {
    if sequence <= *last {
        let what = format!("{table}: row {sequence} behind row {last}");
        return Err(ArchiveError::damaged(directory, what));
    }
    *last = sequence;
    Ok(())
}

/// What the movements add up to.
#[derive(Default)]
struct Sums {
    /// By account, kind of asset, and its name.
    lines: BTreeMap<(i64, String, String), Sum>,
    /// What all fills together made of an asset.
    made: BTreeMap<(String, String), i128>,
}

#[derive(Default)]
struct Sum {
    amount: i128,
    /// As the last movement has it.
    balance: i64,
}

impl Sums {
    fn add(&mut self, account: i64, asset: &str, name: &str, amount: i64, balance: i64) {
        let sum = self.lines.entry((account, asset.to_owned(), name.to_owned())).or_default();
        sum.amount += i128::from(amount);
        sum.balance = balance;
    }

    /// Sets the movements of a balance against it.
    fn settle(&mut self, row: &BalanceRow) -> Result<(), String> {
        let key = (row.account, row.asset.as_str().to_owned(), row.name.as_str().to_owned());
        let [opening, transferred, traded, fees, closing] =
            [row.opening, row.transferred, row.traded, row.fees, row.closing].map(i128::from);
        *self.made.entry((key.1.clone(), key.2.clone())).or_default() += traded + fees;
        let sum = self.lines.remove(&key).ok_or_else(|| format!("no movements of {row:?}"))?;
        let adds_up = opening + transferred + traded + fees == closing
            && sum.amount == closing - opening
            && sum.balance == row.closing;
        if adds_up {
            return Ok(());
        }
        let amount = sum.amount;
        Err(format!("the movements of {row:?} add up to {amount}, the last to {}", sum.balance))
    }

    /// Whether every movement is of a balance, and money is conserved.
    fn finish(self) -> Result<(), String> {
        if let Some((account, _, name)) = self.lines.into_keys().next() {
            return Err(format!("no balance for the movements of {name} of account {account}"));
        }
        match self.made.into_iter().find(|(_, sum)| *sum != 0) {
            Some(((_, name), sum)) => Err(format!("fills made {sum} of {name} from nothing")),
            None => Ok(()),
        }
    }
}

/// The archives in `directory`: itself, or those below.
///
/// # Errors
/// [`ArchiveError::NoArchive`] if there are none, and the operating system's.
pub fn archives(directory: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    if directory.join(MANIFEST).exists() {
        return Ok(vec![directory.to_owned()]);
    }
    let mut below = crate::eod::entries(directory)?;
    below.retain(|path| path.join(MANIFEST).exists());
    if below.is_empty() {
        return Err(ArchiveError::NoArchive { path: directory.to_owned() });
    }
    Ok(below)
}
