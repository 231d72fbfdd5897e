//! The plot of a rate sweep: time to acceptance over orders a second, as an SVG file that says of which
//! machine it is. Draws integers only.

use std::fmt::Write as _;

/// A point of the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) rate: u64,
    pub(super) p50_ns: u64,
    pub(super) p99_ns: u64,
}

/// One of a point's times.
type Time = fn(&Point) -> u64;

const WIDTH: u64 = 720;
const HEIGHT: u64 = 420;
const LEFT: u64 = 80;
const TOP: u64 = 60;
const BOTTOM: u64 = HEIGHT - 60;
const RIGHT: u64 = WIDTH - 30;
/// The time axis is in powers of two, from a microsecond.
const LEAST_NS: u64 = 1_024;
const STEPS_PER_OCTAVE: u64 = 1_000;

/// The file's text.
pub(super) fn svg(points: &[Point], title: &str, host: &str) -> String {
    let rate_max = points.iter().map(|point| point.rate).max().unwrap_or(1).max(1);
    let times = points.iter().flat_map(|point| [point.p50_ns, point.p99_ns]);
    let octaves = times.map(octave).max().unwrap_or(0).max(STEPS_PER_OCTAVE);
    let x = |rate: u64| LEFT + (RIGHT - LEFT) * rate / rate_max;
    let y = |nanos: u64| BOTTOM - (BOTTOM - TOP) * octave(nanos) / octaves;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{}</text>\n\
         <text x=\"{LEFT}\" y=\"42\" fill=\"gray\">{}</text>\n",
        escaped(title),
        escaped(host)
    );
    let mut line = |command: std::fmt::Arguments<'_>| {
        let _infallible = writeln!(text, "{command}");
    };
    for step in 0..=octaves / STEPS_PER_OCTAVE {
        let nanos = LEAST_NS << step;
        let (at, label) = (y(nanos), microseconds(nanos));
        line(format_args!(
            "<path d=\"M{LEFT} {at}H{RIGHT}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>",
            LEFT - 6,
            at + 4
        ));
    }
    for point in points {
        let at = x(point.rate);
        line(format_args!(
            "<path d=\"M{at} {BOTTOM}v5\" stroke=\"black\"/>\
             <text x=\"{at}\" y=\"{}\" text-anchor=\"middle\">{}k</text>",
            BOTTOM + 20,
            point.rate / 1_000
        ));
    }
    let series: [(&str, &str, Time); 2] =
        [("p50", "#1f77b4", |point| point.p50_ns), ("p99", "#d62728", |point| point.p99_ns)];
    for (place, (name, color, of)) in (0..).zip(series) {
        let path: Vec<_> =
            points.iter().map(|point| format!("{},{}", x(point.rate), y(of(point)))).collect();
        line(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"{color}\">{name}</text>",
            path.join(" "),
            LEFT + 10 + 50 * place,
            TOP - 4
        ));
    }
    line(format_args!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">orders a second, due by the clock</text>",
        u64::midpoint(LEFT, RIGHT),
        HEIGHT - 14
    ));
    text + "</svg>\n"
}

/// The thousandths of octaves by which a time is longer than the least.
fn octave(nanos: u64) -> u64 {
    let nanos = nanos.max(LEAST_NS);
    let whole = u64::from((nanos / LEAST_NS).ilog2());
    let base = LEAST_NS << whole;
    whole * STEPS_PER_OCTAVE + (nanos - base) * STEPS_PER_OCTAVE / base
}

fn microseconds(nanos: u64) -> String {
    match nanos / 1_024 {
        micros @ 0..1_024 => format!("{micros} us"),
        micros => format!("{} ms", micros / 1_024),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_point_for_each_rate_and_says_whose_it_is() {
        let point = |rate| Point { rate, p50_ns: 20_000, p99_ns: 3 * rate };
        let points = [10_000, 20_000, 40_000].map(point);
        let text = svg(&points, "orders & answers", "a <host>");
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert!(text.contains("orders &amp; answers") && text.contains("a &lt;host&gt;"));
        for label in [">10k<", ">20k<", ">40k<", ">p50<", ">p99<", ">16 us<"] {
            assert!(text.contains(label), "{label}");
        }
        let lines = text.matches("<polyline points=\"").count();
        assert_eq!(lines, 2);
    }

    #[test]
    fn longer_times_lie_higher_and_twice_as_long_an_octave() {
        assert_eq!([octave(0), octave(1_024), octave(2_048), octave(1_536)], [0, 0, 1_000, 500]);
        assert!((1..1_000_u64).all(|step| octave(step * 5_000) >= octave((step - 1) * 5_000)));
    }
}
