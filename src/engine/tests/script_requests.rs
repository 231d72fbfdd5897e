//! The notation of what a participant asks about all that it has, and of an operator about trades.

use zerocopy::FromZeros;

use super::busts;
use super::script::{Speaker, number_of, option, side_of};
use crate::types::command::{
    AccountQuery, BustTrade, CommandHeader, DisableEntry, EnableEntry, MassCancel, Modify,
};
use crate::types::{FirmCode, Quantity, Symbol};

impl<'a> Speaker<'a> {
    /// Carries out a request and says what came of it. `None` if the line is none.
    pub(super) fn request(&mut self, words: &[&'a str]) -> Option<Vec<String>> {
        match *words {
            ["bust" | "correct", ..] => {
                let header = self.header::<BustTrade>();
                let command = busts::command(self.world, header, self.request, words);
                Some(command.map_or_else(Vec::new, |command| self.world.apply_lines(&command)))
            }
            [port, "modify", number, side, "to", quantity] => {
                self.port = Some(port);
                let header = self.header::<Modify>();
                let (user_ref_idx, user_ref_num) = number_of(number);
                Some(self.world.apply(&Modify {
                    header,
                    user_ref_num,
                    quantity: Quantity(quantity.parse().unwrap()),
                    user_ref_idx,
                    side: side_of(side),
                    ..FromZeros::new_zeroed()
                }))
            }
            [port, "masscancel", number, ref options @ ..] => {
                self.port = Some(port);
                let header = self.header::<MassCancel>();
                let (user_ref_idx, user_ref_num) = number_of(number);
                let symbol: Option<String> = option(options, "symbol");
                Some(self.world.apply(&MassCancel {
                    header,
                    user_ref_num,
                    firm: firm_of(options),
                    symbol: symbol.map_or(Symbol::BLANK, |symbol| Symbol::new(&symbol).unwrap()),
                    group_id: option(options, "group").unwrap_or(0),
                    user_ref_idx,
                    side: option::<String>(options, "side").map_or(0, |side| side_of(&side)),
                    reserved: [0; 20],
                }))
            }
            ["everybody", "disable"] => Some(self.world.apply(&DisableEntry {
                header: CommandHeader::internal::<DisableEntry>(self.world.now),
                ..FromZeros::new_zeroed()
            })),
            ["everybody", "enable"] => Some(self.world.apply(&EnableEntry {
                header: CommandHeader::internal::<EnableEntry>(self.world.now),
                ..FromZeros::new_zeroed()
            })),
            [port, "disable", number, ref options @ ..] => {
                self.port = Some(port);
                let header = self.header::<DisableEntry>();
                let ((user_ref_idx, user_ref_num), firm) = (number_of(number), firm_of(options));
                let reserved = [0; 31];
                Some(self.world.apply(&DisableEntry {
                    header,
                    user_ref_num,
                    firm,
                    user_ref_idx,
                    reserved,
                }))
            }
            [port, "enable", number, ref options @ ..] => {
                self.port = Some(port);
                let header = self.header::<EnableEntry>();
                let ((user_ref_idx, user_ref_num), firm) = (number_of(number), firm_of(options));
                let reserved = [0; 31];
                Some(self.world.apply(&EnableEntry {
                    header,
                    user_ref_num,
                    firm,
                    user_ref_idx,
                    reserved,
                }))
            }
            [port, "query", ref channel @ ..] => {
                self.port = Some(port);
                let header = self.header::<AccountQuery>();
                let user_ref_idx = channel.first().map_or(0, |channel| channel.parse().unwrap());
                Some(self.world.apply(&AccountQuery { header, user_ref_idx, reserved: [0; 39] }))
            }
            _ => None,
        }
    }
}

/// The firm that a request names.
fn firm_of(options: &[&str]) -> FirmCode {
    let firm: Option<String> = option(options, "firm");
    firm.map_or(FirmCode::BLANK, |firm| FirmCode::new(&firm).unwrap())
}
