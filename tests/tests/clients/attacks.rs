//! Clients that mean harm: each gets what it deserves, and nobody else notices.

use crate::scene::{has, output, python, python_has, scene};
use edgeway_tests::{Ask, free_port};

/// Each attack and what comes of it: a GOAWAY or a reset with its code, an answer, or a writer that
/// is not read from any more. Codes: 1 protocol, 3 flow control, 5 stream closed, 6 frame size,
/// 7 refused, 11 calm down.
const OUTCOMES: &str = "rapid_reset: goaway 11
continuation_flood: goaway 1
empty_continuation_flood: goaway 11
empty_data_flood: goaway 11
settings_flood: stalled
ping_flood: stalled
priority_flood: status 200
window_update_flood: status 200
stream_flood: reset 7
malformed_flood: goaway 11
zero_window_stall: heads 1 bytes 65535
window_overflow: goaway 3
stream_window_overflow: reset 3
window_update_of_nothing: goaway 1
initial_window_too_large: goaway 1
more_than_the_window: reset 3
frame_too_large: goaway 6
data_on_no_stream: goaway 1
data_on_an_idle_stream: goaway 1
headers_on_no_stream: goaway 1
headers_on_an_even_stream: goaway 1
padding_longer_than_the_frame: goaway 1
priority_of_itself: reset 1
priority_of_odd_length: goaway 1
reset_of_an_idle_stream: goaway 1
reset_of_odd_length: goaway 1
settings_on_a_stream: goaway 1
settings_of_odd_length: goaway 1
settings_with_a_late_answer: goaway 1
settings_with_a_small_frame_size: goaway 1
settings_with_odd_push: goaway 1
push_promise: goaway 1
ping_on_a_stream: goaway 1
ping_of_odd_length: goaway 1
goaway_on_a_stream: goaway 1
continuation_of_nothing: goaway 1
hpack_index_of_nothing: goaway 1
hpack_index_too_large: goaway 1
hpack_table_too_large: goaway 1
hpack_cut_short: goaway 1
hpack_bad_huffman: goaway 1
unknown_frames_and_settings: status 200
another_frame_within_a_head: goaway 1
a_stream_number_of_the_past: goaway 1
data_on_a_closed_stream: reset 5
headers_on_a_closed_stream: goaway 1
a_broken_preface: HTTP/1.1 400 Bad Request
header_bomb: status 200, goaway 11, end
many_fields: status 431, status 200
trailers_that_are_fine: status 200
trailers_with_a_path: status 200
trailers_without_an_end: reset 1
trailers_of_one_connection: reset 1
trailers_without_measure: goaway 11
data_after_trailers: goaway 1
";

/// In MiB; a program that is not optimised needs 60 of them before anything happens.
const MOST_MEMORY: u64 = 200;

#[test]
fn attacks_on_http2_harm_only_who_makes_them() {
    if !python_has("hyperframe, hpack") {
        return;
    }
    let scene = scene(free_port());
    let found = python(include_str!("frames.py"), &[&scene.plain()]);
    assert_lines(&found, OUTCOMES);
    assert!(scene.most_memory() < MOST_MEMORY, "{} MiB", scene.most_memory());
}

/// Each line is as expected; which are not is told one by one.
fn assert_lines(found: &str, expected: &str) {
    let count = found.lines().count().max(expected.lines().count());
    let nothing = || std::iter::repeat("nothing");
    let all = found.lines().chain(nothing()).zip(expected.lines().chain(nothing())).take(count);
    let wrong: Vec<String> = all
        .filter(|(found, expected)| found != expected)
        .map(|(found, expected)| format!("\n  found    {found}\n  expected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "other outcomes:{}", wrong.concat());
}

/// Each case: statuses of the answers as a strict parser reads them, requests that a strict parser
/// behind the gateway read, and the errors it found.
const READINGS: &str = include_str!("oracle.txt");

#[test]
fn what_reaches_a_strict_backend_is_what_was_answered() {
    if !python_has("h11") {
        return;
    }
    let port = free_port();
    let scene = scene(port);
    let found = python(include_str!("oracle.py"), &[&scene.plain(), &port.to_string()]);
    assert_lines(&found, READINGS);
}

#[test]
fn slow_clients_cost_others_nothing() {
    if !has("slowhttptest") {
        return;
    }
    let scene = scene(free_port());
    let url = format!("http://{}/", scene.plain());
    for kind in ["-H", "-B", "-X"] {
        let arguments =
            [kind, "-c", "200", "-r", "200", "-i", "1", "-l", "4", "-p", "2", "-u", &url];
        let said = output("slowhttptest", &arguments);
        assert!(said.contains("service available:") && said.contains("YES"), "{kind}: {said}");
        assert!(!said.contains("NO\n"), "{kind}: {said}");
        assert_eq!(Ask::get(url.clone()).send().unwrap().body, "fine", "{kind}");
    }
    assert!(scene.most_memory() < MOST_MEMORY, "{} MiB", scene.most_memory());
}
