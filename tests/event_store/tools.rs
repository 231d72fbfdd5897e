//! The tools of `rialto log` over whole logs: what they find, what they refuse, and with which status.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rialto::event_store::{LogKind, Options, Writer};
use rialto::types::{Price, Symbol};
use serde_json::Value;

use super::venue::{OPENING, OPENING_COMMANDS, STEP, Venue};
use super::{SEGMENT, Scratch};

/// Exit status, standard output, and standard error.
type Said = (Option<i32>, String, String);

fn log(arguments: &[&str], path: &Path) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
    let output =
        command.arg("log").arg(arguments[0]).arg(path).args(&arguments[1..]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn succeeds(arguments: &[&str], path: &Path) -> String {
    let (status, said, error) = log(arguments, path);
    assert_eq!((status, &*error), (Some(0), ""), "{arguments:?}: {said}");
    said
}

#[track_caller]
fn fails(arguments: &[&str], path: &Path, status: i32, words: &str) {
    let (found, said, error) = log(arguments, path);
    assert_eq!(found, Some(status), "{arguments:?}: {said}{error}");
    assert!(error.starts_with("rialto: ") && error.contains(words), "{arguments:?}: {error}");
}

fn export(path: &Path, filters: &[&str]) -> Vec<Value> {
    let lines = succeeds(&[&["export"], filters].concat(), path);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sequences(records: &[Value]) -> Vec<u64> {
    records.iter().map(|record| record["sequence"].as_u64().unwrap()).collect()
}

#[test]
fn every_record_is_exported_once_and_in_order() {
    let venue = Venue::with_rounds(3);
    let commands = export(&venue.commands(), &[]);
    let last = OPENING_COMMANDS + 12;
    assert_eq!(sequences(&commands), (1..=last).collect::<Vec<_>>());
    let first = &commands[usize::try_from(OPENING_COMMANDS).unwrap()];
    assert_eq!((&first["record"], &first["index"]), (&"NewOrder".into(), &2.into()));
    assert_eq!(first["time"], OPENING.after(STEP).0);
    assert_eq!((&first["header"]["port"], &first["header"]["epoch"]), (&1.into(), &13.into()));
    let fields = &first["fields"];
    assert_eq!((&fields["symbol"], &fields["price"]), (&"ACME".into(), &250_000.into()));
    assert_eq!((&fields["side"], &fields["cl_ord_id"]), (&"S".into(), &"a \"b\", c".into()));
    assert_eq!((&fields["firm"], fields.get("reserved")), (&Value::Null, None));
    // The same log, the same bytes.
    let again = || succeeds(&["export"], &venue.events());
    assert_eq!(again(), again());
}

#[test]
fn records_are_chosen_by_sequence_time_port_and_kind() {
    let venue = Venue::with_rounds(3);
    let commands = venue.commands();
    assert_eq!(sequences(&export(&commands, &["--from", "3", "--to", "5"])), [3, 4, 5]);
    let time = OPENING.after(STEP).0.to_string();
    let frame =
        export(&commands, &["--since", &time, "--until", &(OPENING.0 + 2 * STEP.0).to_string()]);
    assert_eq!(sequences(&frame), [15, 16, 17, 18]);
    assert_eq!(export(&commands, &["--since", "2026-03-02 14:30:00.002"]).len(), 8);
    assert_eq!(sequences(&export(&commands, &["--port", "2"])), [14, 16, 20, 24]);
    let of_kind = export(&commands, &["--kind", "Cancel", "--kind", "DayStart"]);
    assert_eq!(sequences(&of_kind), [12, 18, 22, 26]);
    assert_eq!(
        sequences(&export(&commands, &["--kind", "Cancel", "--from", "20", "--to", "22"])),
        [22]
    );
    // People are shown the same.
    let dumped = succeeds(&["dump", "--kind", "Cancel", "--to", "20"], &commands);
    assert!(
        dumped.starts_with("18 1772461800.001000000 ") && dumped.lines().count() == 1,
        "{dumped}"
    );
    assert!(
        dumped.contains(" Cancel { form_error: 0, port: 1, ") && dumped.ends_with(" }\n"),
        "{dumped}"
    );
}

#[test]
fn what_is_about_an_instrument_is_found_also_where_its_symbol_is_not_said() {
    let venue = Venue::with_rounds(3);
    // The definition, the transfer, and of each round two orders and the cancel.
    let acme = export(&venue.commands(), &["--symbol", "ACME"]);
    assert_eq!(sequences(&acme), [8, 11, 15, 16, 18, 19, 20, 22, 23, 24, 26]);
    assert_eq!(sequences(&export(&venue.commands(), &["--symbol", "ZETA"])), [9, 17, 21, 25]);
    // Later ones too, of whose orders only what lies before tells.
    let later = export(&venue.commands(), &["--symbol", "ACME", "--from", "26"]);
    assert_eq!(sequences(&later), [26]);

    let events = venue.events();
    let kinds = |symbol| -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for event in export(&events, &["--symbol", symbol]) {
            *kinds.entry(event["record"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        kinds
    };
    let (acme, zeta) = (kinds("ACME"), kinds("ZETA"));
    let count = |kinds: &BTreeMap<String, usize>, name| kinds.get(name).copied().unwrap_or(0);
    assert_eq!((count(&acme, "Accepted"), count(&zeta, "Accepted")), (6, 3));
    assert_eq!((count(&acme, "Executed"), count(&zeta, "Executed")), (6, 0));
    assert_eq!((count(&acme, "Canceled"), count(&zeta, "Canceled")), (3, 0));
    assert!(acme.contains_key("InstrumentDefined") && !acme.contains_key("PortWentUp"), "{acme:?}");
}

#[test]
fn a_late_part_of_a_long_log_is_found_whatever_lies_before() {
    // Half a KiB a round: several segments.
    let venue = Venue::with_rounds(4_500);
    for log in [venue.commands(), venue.events()] {
        assert!(log.join("00000002.seg").exists());
        let all = export(&log, &[]);
        let places = [1, all.len() / 2, all.len() - 1];
        for place in places {
            let (sequence, time) =
                (all[place]["sequence"].to_string(), all[place]["time"].to_string());
            let from = export(&log, &["--from", &sequence, "--to", &sequence]);
            assert_eq!(from, &all[place..=place]);
            let since = export(
                &log,
                &[
                    "--since",
                    &time,
                    "--until",
                    &(all[place]["time"].as_u64().unwrap() + 1).to_string(),
                ],
            );
            let of_time = all.iter().filter(|record| record["time"] == all[place]["time"]);
            assert_eq!(since.iter().collect::<Vec<_>>(), of_time.collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_table_holds_one_kind_and_a_directory_one_table_of_each() {
    let venue = Venue::with_rounds(3);
    let events = venue.events();
    let table = succeeds(&["export", "--csv", "--kind", "Executed"], &events);
    let (columns, rows) = table.split_once('\n').unwrap();
    assert!(
        columns.starts_with("sequence,time,position,index,term,record,header.flags,"),
        "{columns}"
    );
    assert!(
        columns.contains(",fields.price,fields.notional,") && rows.lines().count() == 6,
        "{table}"
    );
    fails(&["export", "--csv"], &events, 1, "choose it with --kind");
    let out = venue.file("tables");
    succeeds(&["export", "--csv", "--out", out.to_str().unwrap()], &events);
    assert_eq!(fs::read_to_string(out.join("Executed.csv")).unwrap(), table);
    let mut rows = 0;
    for file in fs::read_dir(&out).unwrap() {
        rows += fs::read_to_string(file.unwrap().path()).unwrap().lines().count() - 1;
    }
    assert_eq!(rows, export(&events, &[]).len());
    // What is there is nobody's to overwrite.
    fails(&["export", "--csv", "--out", out.to_str().unwrap()], &events, 1, "tables: File exists");
}

#[test]
fn two_logs_are_the_same_or_differ_at_a_record_s_field() {
    let (one, same) = (Venue::with_rounds(3), Venue::with_rounds(3));
    let dearer = Venue::with(3, |order| {
        if order.user_ref_num.0 == 6 {
            order.price = Price(260_000);
        }
    });
    let diff = |one: &Path, other: &Path| log(&["diff", other.to_str().unwrap()], one);
    let (status, said, _) = diff(&one.commands(), &same.commands());
    assert_eq!(status, Some(0));
    assert!(said.starts_with("the same: 4 frames, 26 records, up to position "), "{said}");
    assert_eq!(diff(&one.events(), &same.events()).0, Some(0));

    let (status, said, _) = diff(&one.commands(), &dearer.commands());
    assert_eq!(status, Some(1));
    let price = "NewOrder fields.price: 250000 and 260000";
    assert!(said.contains("sequence 20, byte ") && said.contains(price), "{said}");
    let records = export(&one.commands(), &["--from", "20", "--to", "20"]);
    // Prices are little-endian: the least byte, behind the header, is the first that differs.
    let byte = records[0]["position"].as_u64().unwrap() + 24;
    assert!(said.contains(&format!("byte {byte},")), "{said}");
    let (status, said, _) = diff(&one.events(), &dearer.events());
    assert_eq!(
        (status, said.contains("Accepted fields.price: 250000 and 260000")),
        (Some(1), true),
        "{said}"
    );
}

#[test]
fn a_log_that_is_the_beginning_of_another_is_said_to_be() {
    let (long, short) = (Venue::with_rounds(3), Venue::with_rounds(2));
    let (long, short) = (long.commands(), short.commands());
    for (one, other) in [(&long, &short), (&short, &long)] {
        let (status, said, _) = log(&["diff", other.to_str().unwrap()], one);
        assert_eq!(status, Some(1));
        let words = format!(
            "{} is the beginning of {}, which goes on with sequence 23 at byte ",
            short.display(),
            long.display()
        );
        assert!(said.starts_with(&words), "{said}");
    }
}

#[test]
fn frames_cut_or_stamped_otherwise_are_a_difference_of_their_headers() {
    let (one, other) = (Scratch::new(), Scratch::new());
    for (scratch, time) in [(&one, 1_000), (&other, 1_001)] {
        let (mut writer, _) = super::open(&scratch.0).unwrap();
        let (header, payload) = super::next_frame(&writer, 3);
        let mut chain = *writer.chain();
        let cause =
            rialto::types::Cause { index: header.index, term: 1, time: rialto::types::Nanos(time) };
        let header = chain.seal(rialto::types::FrameKind::Normal, cause, 3, &payload);
        writer.append(&header, &payload).unwrap();
        super::commit_all(&mut writer);
    }
    let (status, said, _) = log(&["diff", other.0.to_str().unwrap()], &one.0);
    assert_eq!(status, Some(1));
    assert!(said.contains("sequence 1, byte 104, frame header time: 1000 and 1001"), "{said}");
}

#[test]
fn a_comparison_that_cannot_be_made_has_a_status_of_its_own() {
    let venue = Venue::with_rounds(1);
    let commands = venue.commands();
    fails(&["diff", venue.events().to_str().unwrap()], &commands, 2, "two different things");
    fails(&["diff", "/nonexistent"], &commands, 2, "/nonexistent");
}

#[test]
fn a_replay_makes_the_events_that_the_event_log_holds() {
    let venue = Venue::with_rounds(50);
    let said = succeeds(&["replay"], &venue.commands());
    for words in [
        "commands     214 in 51 frames, to 2026-03-02 14:30:00.050000000 UTC",
        ": equal\n",
        " commands/s (",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let json = |arguments: &[&str]| -> Value {
        let said = succeeds(&[&["replay", "--json"], arguments].concat(), &venue.commands());
        serde_json::from_str(&said).unwrap()
    };
    let (all, alone) = (json(&[]), json(&["--alone"]));
    assert_eq!(
        (&all["commands"], &all["compared_frames"], &all["new_frames"]),
        (&214.into(), &51.into(), &0.into())
    );
    assert_eq!(
        (&alone["events_end"], &alone["compared_frames"]),
        (&all["events_end"], &Value::Null)
    );
    assert_eq!(all["resting_orders"], 50);
    let state = all["state_hash"].as_str().unwrap();
    assert!(
        alone["state_hash"] == state && said.contains(&format!("state        {state}\n")),
        "{said}"
    );
    assert_eq!(
        (&all["confirmed_states"], &all["last_confirmed_command"]),
        (&0.into(), &Value::Null)
    );

    // Up to any command, in the midst of a frame too, whose events are then a part of what is there.
    let mut resting = BTreeSet::new();
    for to in OPENING_COMMANDS..=30 {
        let part = json(&["--to", &to.to_string()]);
        assert_eq!(part["commands"], to);
        resting.insert(part["resting_orders"].as_u64().unwrap());
    }
    assert_eq!(resting, (0..=5).collect());
    assert_eq!(json(&["--to", "1000000"])["commands"], 214);
    // The opening frame, cut before its first event: it has none yet.
    assert_eq!(json(&["--to", "1"])["commands"], 1);
}

#[test]
fn a_replay_says_where_the_event_log_is_another_s() {
    let venue = Venue::with_rounds(3);
    let dearer = Venue::with(3, |order| {
        if order.user_ref_num.0 == 6 {
            order.price = Price(260_000);
        }
    });
    let replay = |events: &Venue| {
        log(&["replay", "--events", events.events().to_str().unwrap()], &venue.commands())
    };
    let (status, said, error) = replay(&dearer);
    assert_eq!((status, &*said), (Some(1), ""));
    let words =
        "what the commands from sequence 19 to 22 give differs from the event log at sequence ";
    assert!(error.contains(words), "{error}");
    assert!(error.contains("Accepted fields.price: 250000 and 260000"), "{error}");
    // A shorter one is behind; a longer one knows commands that this log does not.
    let (status, said, _) = replay(&Venue::with_rounds(2));
    assert_eq!(status, Some(0));
    assert!(said.contains("equal; it ends there, 1 more were made"), "{said}");
    let (status, _, error) = replay(&Venue::with_rounds(4));
    assert_eq!(status, Some(1));
    assert!(error.contains("behind what the last command gives: commands were lost"), "{error}");
}

#[test]
fn a_replay_says_which_states_of_the_leader_it_came_to_or_that_it_came_to_another() {
    let said = succeeds(&["replay"], &Venue::with_state_hash(0).commands());
    assert!(
        said.contains("\nconfirmed    1 states in the log, the last behind command "),
        "{said}"
    );
    let wrong = Venue::with_state_hash(1);
    for arguments in [&["replay"][..], &["replay", "--alone"]] {
        fails(arguments, &wrong.commands(), 1, "the state behind command 65538 has the hash ");
    }
}

#[test]
fn a_flipped_bit_in_the_event_log_is_damage_and_no_divergence() {
    let venue = Venue::with_rounds(3);
    let position = export(&venue.events(), &[]).last().unwrap()["position"].as_u64().unwrap();
    let segment = venue.events().join("00000000.seg");
    let file = fs::File::options().write(true).open(segment).unwrap();
    file.write_all_at(&[0x91], position + 30).unwrap();
    fails(&["replay"], &venue.commands(), 1, "is damaged: payload checksum mismatch");
}

#[test]
fn a_replay_writes_nothing() {
    let venue = Venue::with_rounds(3);
    let files = |path: &Path| {
        let mut files: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap(), path)
            })
            .collect();
        files.sort();
        files
    };
    let before = [files(&venue.commands()), files(&venue.events())];
    succeeds(&["replay"], &venue.commands());
    assert!(before == [files(&venue.commands()), files(&venue.events())]);
}

#[test]
fn what_is_no_log_or_the_wrong_one_is_named() {
    let venue = Venue::with_rounds(1);
    for tool in ["info", "dump", "verify", "export", "replay"] {
        fails(
            &[tool],
            &venue.logs(),
            1,
            "no log here, but one level below: give its commands or its events",
        );
        fails(&[tool], Path::new("/nonexistent"), 1, "/nonexistent");
        fails(&[tool], Path::new("/proc/self"), 1, "no log here");
    }
    fails(&["replay"], &venue.events(), 1, "holds events, not commands");
    let swapped = venue.commands();
    fails(
        &["replay", "--events", swapped.to_str().unwrap()],
        &venue.commands(),
        1,
        "holds commands, not events",
    );
}

#[test]
fn an_empty_log_has_nothing_to_show() {
    let scratch = Scratch::new();
    drop(super::open(&scratch.0).unwrap());
    for tool in ["dump", "export", "replay"] {
        fails(&[tool], &scratch.0, 1, "holds no record yet");
    }
    let (status, said, _) = log(&["diff", scratch.0.to_str().unwrap()], &scratch.0);
    assert_eq!((status, &*said), (Some(0), "the same: 0 frames, 0 records, up to position 64\n"));
}

#[test]
fn a_log_that_does_not_say_its_venue_is_not_replayed() {
    let scratch = Scratch::new();
    let (mut writer, _) = super::open(&scratch.0).unwrap();
    super::append(&mut writer, 3);
    super::commit_all(&mut writer);
    fails(&["replay"], &scratch.0, 1, "does not begin with the venue's limits");
}

#[test]
fn filters_that_fit_nothing_are_told() {
    let venue = Venue::with_rounds(1);
    let commands = venue.commands();
    for filter in [
        ["--symbol", "NOSUCH"],
        ["--port", "9"],
        ["--from", "1000"],
        ["--until", "1970-01-02"],
        ["--kind", "Halt"],
    ] {
        fails(
            &["export", filter[0], filter[1]],
            &commands,
            1,
            "no record of this log is of this choice",
        );
        fails(
            &["dump", filter[0], filter[1]],
            &commands,
            1,
            "no record of this log is of this choice",
        );
    }
    fails(
        &["export", "--kind", "Executed"],
        &commands,
        1,
        "no record of this log is a \"Executed\"; its kinds are TermStart, ",
    );
    for wrong in
        [["--since", "yesterday"], ["--symbol", "TOOLONGSYM"], ["--from", "-1"], ["--port", "x"]]
    {
        let (status, _, error) = log(&["export", wrong[0], wrong[1]], &commands);
        assert_eq!(status, Some(2), "{error}");
    }
}

#[test]
fn a_damaged_log_gives_nothing_from_the_damage_on() {
    let venue = Venue::with_rounds(3);
    let commands = venue.commands();
    let whole = succeeds(&["export"], &commands);
    let position =
        export(&commands, &["--from", "20", "--to", "20"])[0]["position"].as_u64().unwrap();
    let segment = fs::File::options().write(true).open(commands.join("00000000.seg")).unwrap();
    // A digit of a price: the log would still be read, and say something else.
    segment.write_all_at(&[0x91], position + 24).unwrap();
    for tool in ["export", "dump", "replay"] {
        fails(&[tool], &commands, 1, "from sequence 19 on, is damaged: payload checksum mismatch");
    }
    fails(&["diff", commands.to_str().unwrap()], &commands, 2, "is damaged");
    let (_, said, _) = log(&["export"], &commands);
    assert!(whole.starts_with(&said));
    assert_eq!(said.lines().count(), 18);
}

#[test]
fn who_has_seen_enough_may_go() {
    let venue = Venue::with_rounds(500);
    let commands = venue.commands();
    for arguments in [&["export"][..], &["dump"], &["export", "--csv", "--kind", "NewOrder"]] {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_rialto"));
        tool.arg("log").arg(arguments[0]).arg(&commands).args(&arguments[1..]);
        let mut tool = tool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(tool.stdout.take().unwrap()).lines();
        assert!(!lines.next().unwrap().unwrap().is_empty());
        drop(lines);
        let output = tool.wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*error), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_log_that_is_being_written_is_exported_as_far_as_it_is_committed() {
    let scratch = Scratch::new();
    let (mut writer, _) =
        Writer::open(&scratch.0, Options::new(LogKind::Commands, SEGMENT)).unwrap();
    super::append(&mut writer, 3);
    super::commit_all(&mut writer);
    super::append(&mut writer, 4);
    assert_eq!(sequences(&export(&scratch.0, &[])), [1, 2, 3]);
    super::commit_all(&mut writer);
    assert_eq!(export(&scratch.0, &[]).len(), 7);
    let symbol = Symbol::new("ACME").unwrap();
    fails(&["export", "--symbol", &symbol.to_string()], &scratch.0, 1, "of this choice");
}
