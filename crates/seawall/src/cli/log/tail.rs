//! `seawall log tail`: the newest requests, and on request those to come.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::super::Context;
use super::super::report::{self, Doing as _, Error};
use super::line::{self, Color};
use super::{Filter, TrailDir};
use crate::audit::read::{Body, DecisionRecord, Entry, OutcomeRecord, Records};

/// Requests shown when neither `-n` nor `--since` says how many.
const LINES: usize = 20;
/// How often a followed trail is looked at.
const POLL: Duration = Duration::from_millis(200);
/// A followed request that runs longer is shown while it runs, and again when it has ended.
const SHOW_RUNNING: Duration = Duration::from_secs(1);

/// Show the newest requests, one a line, and with -f those to come
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall log tail -n 50 --denied\n  \
    seawall log tail -f --identity alice\n  seawall log tail --since 1h --json | jq .")]
pub(super) struct Args {
    /// Go on with what is recorded from now on
    #[arg(short, long)]
    follow: bool,
    /// How many; 20, or with --since all
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    #[command(flatten)]
    filter: Filter,
    /// The records as they stand in the trail, decisions and outcomes
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, trail: &TrailDir, args: &Args) -> Result<(), Error> {
    let lines = args.lines.unwrap_or(match args.filter.since {
        Some(_) => usize::MAX,
        None => LINES,
    });
    let (mut rows, mut records) = newest(trail, &args.filter, lines)?;
    let show = Show { json: context.json, color: Color::of_stdout() };
    report::print(rows.iter().map(|row| show.row(row)).collect::<String>())?;
    if !args.follow {
        return Ok(());
    }
    let mut running = HashMap::new();
    for row in rows.drain(..) {
        if let Some((decision, None)) = row.request() {
            running.insert(decision.id.clone(), Running { row, told: true, since: Instant::now() });
        }
    }
    loop {
        let text = follow(&mut records, &args.filter, show, &mut running)?;
        if !text.is_empty() {
            report::print(text)?;
        }
        std::thread::sleep(POLL);
    }
}

/// What is new since the last look, as it is shown.
fn follow(
    records: &mut Records,
    filter: &Filter,
    show: Show,
    running: &mut HashMap<String, Running>,
) -> Result<String, Error> {
    let mut text = String::new();
    for entry in records.by_ref() {
        let entry = entry.doing(|| "read the trail".to_owned())?;
        if !filter.takes(&entry) {
            continue;
        }
        match &entry.body {
            Body::Decision(decision) => {
                let id = decision.id.clone();
                let row = Row { entry, outcome: None };
                if show.json {
                    text += &show.row(&row);
                }
                running.insert(id, Running { row, told: false, since: Instant::now() });
            }
            Body::Outcome(outcome) => {
                if let Some(mut ended) = running.remove(&outcome.id) {
                    ended.row.outcome = Some(entry);
                    text += &show.ended(&ended.row);
                }
            }
            Body::Other(_) | Body::Unreadable => text += &show.row(&Row { entry, outcome: None }),
        }
    }
    for running in running.values_mut() {
        if !show.json && !running.told && running.since.elapsed() >= SHOW_RUNNING {
            running.told = true;
            text += &show.row(&running.row);
        }
    }
    Ok(text)
}

/// A request whose outcome isn't recorded yet.
struct Running {
    row: Row,
    told: bool,
    since: Instant,
}

/// A request, or one other record.
struct Row {
    entry: Entry,
    outcome: Option<Entry>,
}

impl Row {
    fn request(&self) -> Option<(&DecisionRecord, Option<&OutcomeRecord>)> {
        let Body::Decision(decision) = &self.entry.body else { return None };
        let outcome = self.outcome.as_ref().and_then(|entry| match &entry.body {
            Body::Outcome(outcome) => Some(outcome),
            Body::Decision(_) | Body::Other(_) | Body::Unreadable => None,
        });
        Some((decision, outcome))
    }
}

#[derive(Clone, Copy)]
struct Show {
    json: bool,
    color: Color,
}

impl Show {
    fn row(self, row: &Row) -> String {
        if self.json {
            let outcome =
                row.outcome.as_ref().map_or_else(String::new, |o| format!("{}\n", o.line));
            return format!("{}\n{outcome}", row.entry.line);
        }
        match row.request() {
            Some((decision, outcome)) => {
                line::request(&row.entry.time, decision, outcome, self.color)
            }
            None => line::other(&row.entry, self.color).unwrap_or_default(),
        }
    }

    /// A request whose decision was passed on before: as JSON only the outcome is new.
    fn ended(self, row: &Row) -> String {
        match &row.outcome {
            Some(outcome) if self.json => format!("{}\n", outcome.line),
            _ => self.row(row),
        }
    }
}

/// The newest `count` rows, and where reading goes on. Reads from the end, segment by segment,
/// for as little as that takes.
fn newest(
    trail: &TrailDir,
    filter: &Filter,
    count: usize,
) -> Result<(VecDeque<Row>, Records), Error> {
    let mut back = 1;
    loop {
        let index = trail.segments.len().saturating_sub(back);
        let mut records = Records::from_segment(&trail.dir, trail.segments[index]);
        let mut rows = Rows { rows: VecDeque::new(), first: 0, by_id: HashMap::new() };
        let mut oldest = None;
        for entry in records.by_ref() {
            let entry = entry.doing(|| "read the trail".to_owned())?;
            oldest.get_or_insert_with(|| {
                filter.since.as_ref().is_some_and(|since| !since.is_before_or_at(&entry))
            });
            if filter.takes(&entry) {
                rows.add(entry, count);
            }
        }
        if index == 0 || rows.first > 0 || rows.rows.len() >= count || oldest == Some(true) {
            return Ok((rows.rows, records));
        }
        back *= 2;
    }
}

struct Rows {
    rows: VecDeque<Row>,
    /// How many were dropped at the front.
    first: usize,
    /// Running requests, by their place before anything was dropped.
    by_id: HashMap<String, usize>,
}

impl Rows {
    fn add(&mut self, entry: Entry, count: usize) {
        match &entry.body {
            Body::Decision(decision) => {
                self.by_id.insert(decision.id.clone(), self.first + self.rows.len());
            }
            Body::Outcome(outcome) => {
                let at = self.by_id.remove(&outcome.id).and_then(|at| at.checked_sub(self.first));
                if let Some(row) = at.and_then(|at| self.rows.get_mut(at)) {
                    row.outcome = Some(entry);
                }
                return;
            }
            // What only holds the chain together is no line.
            Body::Other(_) if line::other(&entry, Color::No).is_none() => return,
            Body::Other(_) | Body::Unreadable => {}
        }
        self.rows.push_back(Row { entry, outcome: None });
        if self.rows.len() > count {
            self.rows.pop_front();
            self.first += 1;
        }
    }
}
