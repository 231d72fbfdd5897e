//! All tables of an archive, while it is written.

use std::path::Path;

use crate::ArchiveError;
use crate::file::{Cut, TableWriter};
use crate::manifest::FileEntry;
use crate::rows::{
    BalanceRow, CashMovementRow, ExecutionRow, OrderRow, PositionMovementRow, TradeAmendmentRow,
    TradeRow,
};

/// One writer for each table.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) orders: TableWriter<OrderRow>,
    pub(crate) executions: TableWriter<ExecutionRow>,
    pub(crate) trades: TableWriter<TradeRow>,
    pub(crate) trade_amendments: TableWriter<TradeAmendmentRow>,
    pub(crate) cash_movements: TableWriter<CashMovementRow>,
    pub(crate) position_movements: TableWriter<PositionMovementRow>,
    pub(crate) balances: TableWriter<BalanceRow>,
}

impl Tables {
    /// With no rows, in `directory`.
    pub(crate) fn new(directory: &Path, cut: Cut) -> Self {
        Self {
            orders: TableWriter::new(directory, cut),
            executions: TableWriter::new(directory, cut),
            trades: TableWriter::new(directory, cut),
            trade_amendments: TableWriter::new(directory, cut),
            cash_movements: TableWriter::new(directory, cut),
            position_movements: TableWriter::new(directory, cut),
            balances: TableWriter::new(directory, cut),
        }
    }

    /// Ends them: their files, each whole and on the disk.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn finish(self) -> Result<Vec<FileEntry>, ArchiveError> {
        let files = [
            self.orders.finish()?,
            self.executions.finish()?,
            self.trades.finish()?,
            self.trade_amendments.finish()?,
            self.cash_movements.finish()?,
            self.position_movements.finish()?,
            self.balances.finish()?,
        ];
        Ok(files.concat())
    }
}
