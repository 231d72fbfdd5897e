//! The closed sets of values that records carry as single bytes, with the wire's own characters
//! where the wire has them.

macro_rules! byte_enum {
    ($(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $byte:literal, )* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $( $(#[$variant_doc])* $variant = $byte, )*
        }

        impl $name {
            /// The value that this byte stands for.
            #[must_use]
            pub const fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $( $byte => Some(Self::$variant), )*
                    _ => None,
                }
            }

            /// The byte that stands for this value.
            #[must_use]
            pub const fn byte(self) -> u8 {
                self as u8
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(self.byte())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let unknown = || serde::de::Error::custom(concat!("no ", stringify!($name)));
                Self::from_byte(u8::deserialize(deserializer)?).ok_or_else(unknown)
            }
        }
    };
}

byte_enum! {
    /// The side of an order, as OUCH writes it.
    Side {
        /// Buy.
        Buy = b'B',
        /// Sell shares held.
        Sell = b'S',
        /// Sell short.
        SellShort = b'T',
        /// Sell short, exempt.
        SellShortExempt = b'E',
    }
}

impl Side {
    /// Whether this is the buying side.
    #[must_use]
    pub const fn is_buy(self) -> bool {
        matches!(self, Self::Buy)
    }

    /// Whether it sells what need not be there.
    #[must_use]
    pub const fn is_short(self) -> bool {
        matches!(self, Self::SellShort | Self::SellShortExempt)
    }
}

byte_enum! {
    /// How long an order lives, as OUCH writes it.
    TimeInForce {
        /// Until the end of the day.
        Day = b'0',
        /// Immediate or cancel. With a minimum quantity equal to the quantity: fill or kill.
        ImmediateOrCancel = b'3',
        /// Extended hours.
        Extended = b'5',
        /// Good till a time.
        GoodTillTime = b'6',
        /// After hours.
        AfterHours = b'E',
    }
}

byte_enum! {
    /// Why shares of an order were canceled, as OUCH writes it.
    CancelReason {
        /// Asked for by the participant.
        User = b'U',
        /// The rest of an immediate-or-cancel order.
        ImmediateOrCancel = b'I',
        /// Its time was over.
        Timeout = b'T',
        /// By the exchange's supervision; also cancel on disconnect.
        Supervisory = b'S',
        /// Whoever owns it may not trade any more.
        Regulatory = b'D',
        /// Self-match prevention.
        SelfMatch = b'Q',
        /// By the system.
        System = b'Z',
        /// The market closed.
        Closed = b'E',
        /// The market halted.
        Halted = b'H',
        /// It may not take, and would have.
        PostOnly = b'G',
        /// Its auction is over.
        Cross = b'C',
        /// It has no limit, and the auction's price is too far from the reference.
        Collars = b'K',
    }
}

byte_enum! {
    /// Why an order was restated, as OUCH writes it.
    RestateReason {
        /// The next part of a reserve is shown.
        Refresh = b'R',
    }
}

byte_enum! {
    /// Which side of the book a fill came from, as OUCH writes it.
    Liquidity {
        /// The order rested.
        Added = b'A',
        /// The order rested hidden.
        AddedHidden = b'J',
        /// The order took.
        Removed = b'R',
        /// Either side of the opening auction.
        OpeningCross = b'O',
        /// Either side of the closing auction.
        ClosingCross = b'C',
        /// Either side of an auction that begins trading again.
        HaltCross = b'H',
    }
}

byte_enum! {
    /// An auction, as OUCH's cross type and ITCH write it.
    Cross {
        /// Begins the day's trading.
        Opening = b'O',
        /// Ends it.
        Closing = b'C',
        /// Begins it again, after a halt or a pause.
        Halt = b'H',
    }
}

impl Cross {
    /// How a fill of this auction is marked.
    #[must_use]
    pub const fn liquidity(self) -> Liquidity {
        match self {
            Self::Opening => Liquidity::OpeningCross,
            Self::Closing => Liquidity::ClosingCross,
            Self::Halt => Liquidity::HaltCross,
        }
    }
}

impl Liquidity {
    /// The auction that such a fill is of.
    #[must_use]
    pub const fn cross(self) -> Option<Cross> {
        match self {
            Self::OpeningCross => Some(Cross::Opening),
            Self::ClosingCross => Some(Cross::Closing),
            Self::HaltCross => Some(Cross::Halt),
            Self::Added | Self::AddedHidden | Self::Removed => None,
        }
    }
}

byte_enum! {
    /// The phase of an instrument's day.
    Phase {
        /// Orders are collected for the opening.
        PreOpen = 1,
        /// The same, and those for the opening are final.
        OpeningAuction = 2,
        /// Orders trade as they come.
        Continuous = 3,
        /// Trading is paused: orders are collected for a new price.
        VolatilityAuction = 4,
        /// Nothing is taken but cancels.
        Halted = 5,
        /// Orders are collected for the end of a halt.
        ReopeningAuction = 6,
        /// Orders are collected for the close, and those for it are final.
        ClosingAuction = 7,
        /// Nothing rests and nothing is taken.
        Closed = 8,
    }
}

impl Phase {
    /// The state that the feed shows.
    #[must_use]
    pub const fn trading_state(self) -> TradingState {
        match self {
            Self::PreOpen
            | Self::OpeningAuction
            | Self::ReopeningAuction
            | Self::ClosingAuction => TradingState::QuotationOnly,
            Self::Continuous => TradingState::Trading,
            Self::VolatilityAuction => TradingState::Paused,
            Self::Halted | Self::Closed => TradingState::Halted,
        }
    }

    /// The auction for which orders are collected, if they are.
    #[must_use]
    pub const fn cross(self) -> Option<Cross> {
        match self {
            Self::PreOpen | Self::OpeningAuction => Some(Cross::Opening),
            Self::VolatilityAuction | Self::ReopeningAuction => Some(Cross::Halt),
            Self::ClosingAuction => Some(Cross::Closing),
            Self::Continuous | Self::Halted | Self::Closed => None,
        }
    }
}

byte_enum! {
    /// Whether an accepted order is on its way to the book, as OUCH writes it.
    OrderState {
        /// It may still trade.
        Live = b'L',
        /// It is over; nothing more will be said of it.
        Dead = b'D',
    }
}

byte_enum! {
    /// What a port is for.
    PortKind {
        /// A broker's order entry.
        OrderEntry = b'O',
        /// An operator: commands in, their events out; loopback only.
        Admin = b'A',
        /// A read-only copy of a firm's events.
        DropCopy = b'D',
    }
}

byte_enum! {
    /// The edition of OUCH that an order entry port speaks.
    OuchVersion {
        /// OUCH 5.0.
        V50 = 0,
        /// OUCH 4.2: orders have tokens instead of numbers.
        V42 = 42,
    }
}

byte_enum! {
    /// What becomes of a port's orders when its session is lost.
    DisconnectPolicy {
        /// They stay.
        Keep = b'K',
        /// They are canceled when the grace period ends.
        Cancel = b'C',
    }
}

byte_enum! {
    /// What the exchange knows of an account's holder. Only an approved account trades.
    AccountStatus {
        /// Not yet checked.
        Pending = b'P',
        /// May trade.
        Approved = b'A',
        /// May not trade any more: its open orders are canceled.
        Suspended = b'S',
    }
}

byte_enum! {
    /// What an amount is an amount of.
    AssetKind {
        /// Cash of a currency.
        Cash = b'C',
        /// Shares of an instrument.
        Shares = b'S',
    }
}

byte_enum! {
    /// The trading state of an instrument, as ITCH `H` writes it.
    TradingState {
        /// Halted.
        Halted = b'H',
        /// Paused.
        Paused = b'P',
        /// Orders are collected, none trade.
        QuotationOnly = b'Q',
        /// Trading.
        Trading = b'T',
    }
}

byte_enum! {
    /// The day's system events: ITCH `S` has all of them, OUCH `S` only [`SystemCode::StartOfSystem`]
    /// and [`SystemCode::EndOfSystem`].
    SystemCode {
        /// First message of the day's feed.
        StartOfMessages = b'O',
        /// The system takes messages.
        StartOfSystem = b'S',
        /// Trading begins.
        StartOfMarket = b'Q',
        /// Trading is over.
        EndOfMarket = b'M',
        /// The system takes no more messages.
        EndOfSystem = b'E',
        /// Last message of the day's feed.
        EndOfMessages = b'C',
    }
}

byte_enum! {
    /// Why a session of a port ended.
    DownReason {
        /// The participant logged out.
        Logout = b'O',
        /// The connection was lost, or silent for too long.
        Lost = b'L',
        /// The participant broke the protocol.
        Violation = b'V',
        /// A newer login took its place.
        Replaced = b'R',
        /// The session id is over.
        EndOfSession = b'Z',
    }
}

byte_enum! {
    /// Why a command of an operator was not carried out.
    Refusal {
        /// Not an administrative port, or its session is over.
        NotAllowed = 1,
        /// The port's request number is not above the last.
        RepeatedRequest = 2,
        /// What the command names does not exist.
        Unknown = 3,
        /// What the command defines exists already.
        Exists = 4,
        /// A field is out of range.
        Invalid = 5,
        /// The day is not in the state this command needs.
        Day = 6,
        /// The balance does not suffice.
        Balance = 7,
        /// The table is full.
        Capacity = 8,
        /// The external reference was used before.
        RepeatedReference = 9,
        /// The instrument is not in a phase in which this can be done.
        Phase = 16,
        /// The trade was busted, or corrected since: it does not stand as the command says.
        TradeOver = 17,
        /// What the command says of a trade contradicts what the exchange knows.
        TradeTerms = 18,
    }
}

byte_enum! {
    /// Why a trade was busted or corrected, as OUCH writes it.
    BustReason {
        /// It was clearly erroneous.
        Erroneous = b'E',
        /// Both sides agreed.
        Consent = b'C',
        /// By the exchange's supervision.
        Supervisory = b'S',
        /// By somebody outside the exchange.
        External = b'X',
    }
}

byte_enum! {
    /// Which orders of one owner never meet: a firm's rule.
    SelfMatchKey {
        /// All may meet.
        None = 0,
        /// Those of the firm.
        Firm = 1,
        /// Those of one account.
        Account = 2,
        /// Those of one of the firm's groups; those without one are a group too.
        Group = 3,
    }
}

byte_enum! {
    /// What becomes of two orders that may not meet, as OUCH writes it. The one that comes decides.
    SelfMatchStrategy {
        /// The order that rests is canceled.
        CancelOldest = b'O',
        /// What is left of the order that comes is canceled.
        CancelNewest = b'W',
        /// Both lose the shares that they would have traded.
        DecrementBoth = b'D',
    }
}

byte_enum! {
    /// Whom a limit is for. It holds for each order of the scope. What is counted of many orders is that of
    /// all accounts of a firm together, and in any other scope that of each account by itself; messages
    /// are each port's.
    RiskScope {
        /// Everyone.
        Venue = b'V',
        /// The accounts of a firm, or its ports.
        Firm = b'F',
        /// An account.
        Account = b'A',
        /// An instrument, whoever trades it.
        Symbol = b'S',
        /// An instrument, traded by the accounts of a firm.
        FirmSymbol = b'G',
        /// An instrument, traded by an account.
        AccountSymbol = b'B',
        /// A port.
        Port = b'P',
    }
}

byte_enum! {
    /// What a limit limits; the unit of its value. What comes of an order beyond it is said by
    /// `order_manager::risk`.
    RiskKey {
        /// Shares of an order.
        OrderQuantity = 1,
        /// Value of an order.
        OrderNotional = 2,
        /// How far beyond the reference price a limit may be, in basis points of it.
        Collar = 3,
        /// Shares of one instrument that an account, or a firm, may trade in a day, open orders included.
        SharesPerDay = 4,
        /// Open orders of an account, or of a firm.
        OpenOrders = 5,
        /// What an account, or a firm, buys and sells in a day, added up, open orders included.
        GrossExposure = 6,
        /// The same, purchases and sales set against each other.
        NetExposure = 7,
        /// New orders and replaces of a port in a second of log time.
        MessageRate = 8,
        /// The same, of one instrument.
        SymbolMessageRate = 9,
        /// Milliseconds in which an account may not enter the same order again.
        DuplicateWindow = 10,
        /// 1 = the instrument is not traded.
        Restricted = 11,
        /// 1 = no market orders.
        NoMarketOrders = 12,
    }
}

/// Why an order was refused: the numbers of OUCH 5.0. Zero in a record means "not refused".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
#[expect(missing_docs, reason = "the names are the specification's own words")]
pub enum RejectReason {
    InvalidDisplay = 0x03,
    InvalidMaxFloor = 0x04,
    Halted = 0x07,
    IsoNotAllowed = 0x08,
    InvalidSide = 0x09,
    ProcessingError = 0x0A,
    FirmNotAuthorized = 0x0C,
    InvalidMinQuantity = 0x0D,
    Other = 0x0F,
    PeggingNotAllowed = 0x11,
    InvalidQuantity = 0x13,
    InvalidCross = 0x14,
    ReplaceNotAllowed = 0x15,
    RoutingNotAllowed = 0x16,
    InvalidSymbol = 0x17,
    InvalidPrice = 0x1D,
    SharesExceedThreshold = 0x1E,
    ExceedsMaxNotional = 0x1F,
    AggregateExposure = 0x20,
    RestrictedStock = 0x22,
    ShortSellRestricted = 0x23,
    FatFinger = 0x26,
    SymbolMessageRate = 0x28,
    PortMessageRate = 0x29,
    DuplicateOrder = 0x2A,
    MarketOrderNotAllowed = 0x2C,
    PreMarket = 0x2D,
    PostMarket = 0x2E,
    OrderNotional = 0x30,
    OrderQuantity = 0x31,
    InvalidSelfMatch = 0x40,
}

impl RejectReason {
    /// The number on the wire and in records.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }
}
