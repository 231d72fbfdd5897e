//! User reference numbers in a snapshot: the channels that were used, and their last numbers.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::UserRefNums;
use crate::types::UserRefNum;

impl Serialize for UserRefNums {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let channels = (0_u8..=u8::MAX).map(|channel| (channel, self.last(channel)));
        let used: Vec<_> = channels.filter(|(_, number)| !number.is_none()).collect();
        used.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for UserRefNums {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut numbers = Self::new();
        for (channel, number) in Vec::<(u8, UserRefNum)>::deserialize(deserializer)? {
            if !numbers.consume(channel, number) {
                return Err(D::Error::custom("a channel without a number, or with two"));
            }
        }
        Ok(numbers)
    }
}
