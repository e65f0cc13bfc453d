//! `lapwing`: the one program. Each verb is a file; this one only chooses among them.

mod activate;
mod alerts;
mod audit;
mod backtest;
mod columns;
mod compare;
mod completions;
mod demo;
mod describe;
mod evaluate;
mod explain;
mod features;
mod figures;
mod flows;
mod incidents;
mod input;
mod kept;
mod learn;
mod output;
mod pages;
mod pcap;
mod pipeline;
mod profile;
mod report;
mod rows;
mod saved;
mod scan;
mod score;
mod settings;
mod simulate;
mod sinks;
mod state;
mod suppress;
mod tables;
mod train;
mod tune;
mod verdict;
mod waiting;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// A network intrusion detector that learns a network and raises the alarm.
///
/// Give it a capture or a flow log, and it prints a short list of alerts; give it a labelled table, and it trains,
/// judges and saves a detector.
#[derive(Parser)]
#[command(name = "lapwing", version, propagate_version = true, arg_required_else_help = true)]
struct Program {
    #[command(subcommand)]
    verb: Verb,
    /// Say more on stderr: what was skipped and why.
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Verb {
    Scan(scan::Arguments),
    Alerts(alerts::Arguments),
    Incidents(incidents::Arguments),
    Verdict(verdict::Arguments),
    Suppress(suppress::Arguments),
    Backtest(backtest::Arguments),
    Report(report::Arguments),
    Flows(flows::Arguments),
    Train(train::Arguments),
    Learn(learn::Arguments),
    Evaluate(evaluate::Arguments),
    Compare(compare::Arguments),
    Audit(audit::Arguments),
    Profile(profile::Arguments),
    Tune(tune::Arguments),
    Describe(describe::Arguments),
    Activate(activate::Arguments),
    Score(score::Arguments),
    Sinks(sinks::Arguments),
    Explain(explain::Arguments),
    Pcap(pcap::Arguments),
    Simulate(simulate::Arguments),
    Features(features::Arguments),
    Demo(demo::Arguments),
    Completions(completions::Arguments),
}

fn main() -> ExitCode {
    let program = Program::parse();
    let outcome = match program.verb {
        Verb::Scan(arguments) => scan::run(&arguments, program.verbose),
        Verb::Alerts(arguments) => alerts::run(&arguments),
        Verb::Incidents(arguments) => incidents::run(&arguments),
        Verb::Verdict(arguments) => verdict::run(&arguments),
        Verb::Suppress(arguments) => suppress::run(&arguments),
        Verb::Backtest(arguments) => backtest::run(&arguments),
        Verb::Report(arguments) => report::run(&arguments),
        Verb::Flows(arguments) => flows::run(&arguments, program.verbose),
        Verb::Train(arguments) => train::run(&arguments, program.verbose),
        Verb::Learn(arguments) => learn::run(&arguments, program.verbose),
        Verb::Evaluate(arguments) => evaluate::run(&arguments, program.verbose),
        Verb::Compare(arguments) => compare::run(&arguments, program.verbose),
        Verb::Audit(arguments) => audit::run(&arguments, program.verbose),
        Verb::Profile(arguments) => profile::run(&arguments, program.verbose),
        Verb::Tune(arguments) => tune::run(&arguments, program.verbose),
        Verb::Describe(arguments) => describe::run(&arguments),
        Verb::Activate(arguments) => activate::run(&arguments),
        Verb::Score(arguments) => score::run(&arguments, program.verbose),
        Verb::Sinks(arguments) => sinks::run(&arguments),
        Verb::Explain(arguments) => explain::run(&arguments, program.verbose),
        Verb::Pcap(arguments) => pcap::run(&arguments, program.verbose),
        Verb::Simulate(arguments) => simulate::run(arguments),
        Verb::Features(arguments) => features::run(&arguments),
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Completions(arguments) => completions::run(&arguments, Program::command()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lapwing: {}", output::shown(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}
