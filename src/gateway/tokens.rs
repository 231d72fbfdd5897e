//! The tokens of an OUCH 4.2 port: which number each stands for, where OUCH 5.0 has the participant count.
//!
//! The gateway numbers orders in the order in which it sequences them, and learns from the events which
//! of the numbers were used. So whichever node serves the port, and after any restart, they are the same.

use std::collections::HashMap;

use crate::types::UserRefNum;
use crate::types::event::Event;
use crate::wire::ouch42::Token;

/// Tokens of a port and day. There is room for all of them from the first, or from the start of a session:
/// what grows would have everybody else's orders wait while it is moved.
pub(super) const TOKENS_MAX: u32 = 200_000;

/// The most memory that the tokens of an OUCH 4.2 port take.
pub const TOKENS_BYTES_MAX: usize = TABLE_PLACES * (size_of::<(Token, UserRefNum)>() + 1)
    + TABLE_END_BYTES
    + TOKENS_MAX as usize * size_of::<Token>();
/// Places of a hash table with room for them: one in eight stays empty, and each has a byte of its hash.
const TABLE_PLACES: usize = (TOKENS_MAX as usize * 8 / 7).next_power_of_two();
/// What a table has behind its places, and for its alignment.
const TABLE_END_BYTES: usize = 64;

/// As stated in the module's and the wire format's documentation.
const _: () = assert!(TOKENS_BYTES_MAX < 8 << 20);

/// The day's tokens of a port.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    by_token: HashMap<Token, UserRefNum>,
    /// By number, from 1.
    by_number: Vec<Token>,
    /// The highest number of which an event has told: those above were given, and their fate is not known
    /// yet.
    answered: u32,
}

impl Tokens {
    /// The number of an order; `None` if the port has not used the token.
    pub(super) fn number_of(&self, token: Token) -> Option<UserRefNum> {
        self.by_token.get(&token).copied()
    }

    /// What the order with this number is called.
    pub(super) fn token_of(&self, number: UserRefNum) -> Token {
        let index = (number.0 as usize).wrapping_sub(1);
        self.by_number.get(index).copied().unwrap_or(Token::BLANK)
    }

    /// Whether there are no more.
    pub(super) fn are_used_up(&self) -> bool {
        self.last() >= TOKENS_MAX
    }

    /// Gives the next number to a token that the port has not used.
    pub(super) fn give(&mut self, token: Token) -> UserRefNum {
        self.make_room();
        let number = UserRefNum(self.last() + 1);
        self.by_number.push(token);
        self.by_token.insert(token, number);
        number
    }

    fn last(&self) -> u32 {
        u32::try_from(self.by_number.len()).expect("at most TOKENS_MAX")
    }

    /// Learns from an event of the port's stream which number its order has. The numbers below that were
    /// given and not used never will be: the engine takes them in their order.
    pub(super) fn learn(&mut self, event: &Event<'_>) {
        let (number, token) = match event {
            Event::Accepted(e) => (e.user_ref_num, e.cl_ord_id),
            Event::Replaced(e) => (e.user_ref_num, e.cl_ord_id),
            Event::Rejected(e) => (e.user_ref_num, e.cl_ord_id),
            _ => return,
        };
        if number.is_none() || number.0 > TOKENS_MAX {
            return;
        }
        self.make_room();
        for given in self.answered + 1..number.0.min(self.last() + 1) {
            self.forget(given);
        }
        self.answered = self.answered.max(number.0);
        if self.last() < number.0 {
            self.by_number.resize(number.0 as usize, Token::BLANK);
        }
        self.by_number[number.0 as usize - 1] = token;
        self.by_token.insert(token, number);
    }

    /// A session begins: all that the one before has asked for was answered, or was met with silence.
    pub(super) fn begin_session(&mut self) {
        for given in self.answered + 1..=self.last() {
            self.forget(given);
        }
        self.by_number.truncate(self.answered as usize);
        self.make_room();
    }

    /// Takes the memory of a day, all at once.
    fn make_room(&mut self) {
        if self.by_number.capacity() == 0 {
            self.by_token.reserve(TOKENS_MAX as usize);
            self.by_number.reserve_exact(TOKENS_MAX as usize);
        }
    }

    /// A number was not used, so its token may be.
    fn forget(&mut self, number: u32) {
        let token = self.token_of(UserRefNum(number));
        if self.by_token.get(&token) == Some(&UserRefNum(number)) {
            self.by_token.remove(&token);
        }
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::*;
    use crate::types::Record;
    use crate::types::event::{Accepted, EventHeader};

    fn token(text: &str) -> Token {
        Token::new(text).unwrap()
    }

    fn accepted(tokens: &mut Tokens, number: u32, text: &str) {
        let event = Accepted {
            header: EventHeader::new::<Accepted>(),
            user_ref_num: UserRefNum(number),
            cl_ord_id: token(text),
            ..Accepted::new_zeroed()
        };
        tokens.learn(&Event::parse(event.lines()).unwrap());
    }

    #[test]
    fn tokens_are_numbered_as_they_come_and_known_at_once() {
        let mut tokens = Tokens::default();
        tokens.begin_session();
        assert_eq!(tokens.number_of(token("A")), None);
        assert_eq!(tokens.give(token("A")), UserRefNum(1));
        assert_eq!(tokens.give(token("B")), UserRefNum(2));
        assert_eq!(tokens.number_of(token("A")), Some(UserRefNum(1)));
        accepted(&mut tokens, 1, "A");
        accepted(&mut tokens, 2, "B");
        assert_eq!(tokens.token_of(UserRefNum(2)), token("B"));
        assert_eq!(tokens.token_of(UserRefNum(3)), Token::BLANK);
        assert_eq!(tokens.token_of(UserRefNum::NONE), Token::BLANK);
    }

    #[test]
    fn a_token_whose_number_was_not_used_may_be_used_again() {
        let mut tokens = Tokens::default();
        for text in ["A", "B", "C"] {
            tokens.give(token(text));
        }
        accepted(&mut tokens, 1, "A");
        accepted(&mut tokens, 3, "C");
        assert_eq!(tokens.number_of(token("B")), None);
        assert_eq!(tokens.give(token("B")), UserRefNum(4));
        accepted(&mut tokens, 4, "B");
        assert_eq!(tokens.number_of(token("B")), Some(UserRefNum(4)));
    }

    #[test]
    fn what_another_node_has_numbered_is_learned_and_what_was_lost_with_a_session_is_forgotten() {
        let mut tokens = Tokens::default();
        accepted(&mut tokens, 1, "A");
        accepted(&mut tokens, 3, "C");
        tokens.begin_session();
        assert_eq!(tokens.give(token("D")), UserRefNum(4));
        assert_eq!(tokens.give(token("E")), UserRefNum(5));
        accepted(&mut tokens, 4, "D");
        tokens.begin_session();
        assert_eq!(tokens.number_of(token("D")), Some(UserRefNum(4)));
        assert_eq!(tokens.number_of(token("E")), None);
        assert_eq!(tokens.give(token("F")), UserRefNum(5));
    }

    #[test]
    fn a_day_of_tokens_finds_its_room_at_once_and_the_last_is_known() {
        let mut tokens = Tokens::default();
        tokens.begin_session();
        let prepared = (tokens.by_token.capacity(), tokens.by_number.capacity());
        // Of the table's, what was forgotten may take some.
        let has_not_grown = |tokens: &Tokens| {
            tokens.by_token.capacity() <= prepared.0 && tokens.by_number.capacity() == prepared.1
        };
        for number in 1..=TOKENS_MAX {
            assert!(!tokens.are_used_up());
            let text = format!("T{number}");
            assert_eq!(tokens.give(token(&text)), UserRefNum(number));
            // Every third is not used, so that its token may be given once more.
            if number % 3 > 0 {
                accepted(&mut tokens, number, &text);
            }
        }
        assert!(tokens.are_used_up());
        assert!(has_not_grown(&tokens));
        let last = format!("T{TOKENS_MAX}");
        assert_eq!(tokens.number_of(token(&last)), Some(UserRefNum(TOKENS_MAX)));
        assert_eq!(tokens.number_of(token("T3")), None);
        tokens.begin_session();
        assert!(has_not_grown(&tokens) && tokens.are_used_up());
    }
}
