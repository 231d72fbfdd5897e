//! Stories of whole nodes: real `rialto run` processes over kernel sockets on loopback, and clients
//! that know of them only what a participant, an operator or a reader of the logs may know.
//!
//! What degrades, and the story that shows it:
//!
//! | what is gone or behind | then | shown by |
//! |---|---|---|
//! | most of the nodes | sessions end, nobody is let in, nothing is told, and the feed is silent | `cluster::without_a_quorum_nobody_serves_and_with_one_again_nothing_is_missing` |
//! | a follower | trading goes on | `lagging::a_follower_that_stands_still_or_is_slow_slows_nobody_and_catches_up` |
//! | snapshots | trading goes on | `snapshots::a_shadow_that_stands_still_holds_nobody_up_and_goes_on_where_it_was`, `snapshots::a_node_whose_snapshots_find_no_room_trades_on_and_starts_from_its_log` |
//! | the archive | trading goes on, and its days stay | `retention::what_is_not_archived_stays` |
//! | a subscriber | it knows what it lost | `feed::a_subscriber_that_loses_a_datagram_knows_it` |
//! | the disk, at 90 % | no new orders, but cancels | `full_disk::while_the_disk_is_nearly_full_new_orders_are_refused_and_cancels_are_not` |
//! | the disk, at 95 % | the leader hands over | `full_disk::a_leader_whose_disk_is_full_hands_over_to_one_that_takes_orders_again` |

#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]
#![allow(clippy::print_stdout, reason = "the seed of a run that fails")]

mod admission;
mod auction;
mod bad_input;
mod broker;
mod busts;
mod clock;
mod cluster;
mod commands;
mod day;
mod drill;
mod drop_copy;
mod feed;
mod firm_requests;
mod full_disk;
mod harness;
mod images;
mod incarnation;
mod lagging;
mod members;
mod observe;
mod operator;
mod ouch42;
mod placement;
mod rates;
mod raw;
mod recovery;
mod replay;
mod resumed;
mod retention;
mod retired;
mod sessions;
mod shards;
mod snapshots;
mod soupbintcp;
mod start;
#[cfg(feature = "tls")]
mod tls;
mod tools;
mod trading;
mod traffic;
mod tshark;
mod ufo;
