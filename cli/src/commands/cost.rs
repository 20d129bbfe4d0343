//! `edgeway cost`: what load balancers cost in a month, now and as wished.

use super::account::{Account, Format};
use crate::output::Console;
use edgeway_alb_core::{
    StackId,
    cost::{Item, Prices, items, total},
    stack::LoadBalancer,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

/// Arguments of `cost`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    account: Account,
    /// Capacity units that each load balancer uses on average
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    capacity_units: u32,
    /// Dollars for a load balancer and hour
    #[arg(long, value_name = "DOLLARS", default_value_t = Prices::default().balancer)]
    price_balancer: f64,
    /// Dollars for a capacity unit and hour
    #[arg(long, value_name = "DOLLARS", default_value_t = Prices::default().capacity_unit)]
    price_unit: f64,
    /// Dollars for a public IPv4 address and hour
    #[arg(long, value_name = "DOLLARS", default_value_t = Prices::default().address)]
    price_address: f64,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What one stack costs.
#[derive(Debug, Default, Serialize)]
struct Bill {
    /// As it stands, dollars in a month.
    now: f64,
    /// As wished.
    then: f64,
    /// What is paid for then.
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
struct Shown<'b> {
    against: &'b str,
    now: f64,
    then: f64,
    stacks: BTreeMap<&'b StackId, Bill>,
}

impl Args {
    fn items<'l>(&self, balancers: impl Iterator<Item = &'l LoadBalancer>) -> Vec<Item> {
        let prices = Prices {
            balancer: self.price_balancer,
            capacity_unit: self.price_unit,
            address: self.price_address,
        };
        balancers.flat_map(|balancer| items(balancer, &prices, self.capacity_units)).collect()
    }
}

/// Prints the costs.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let look = args.account.look(console)?;
    let outcome = look.survey.outcome();
    let before = &look.survey.observed.stacks;
    let ids: BTreeSet<&StackId> = before.keys().chain(outcome.stacks.keys()).collect();
    let bill = |id: &StackId| {
        let balancers =
            |standing: &edgeway_alb_core::Standing| args.items(standing.load_balancers.values());
        let now = before.get(id).map(balancers).unwrap_or_default();
        let then = outcome.stacks.get(id).map(balancers).unwrap_or_default();
        Bill { now: total(&now), then: total(&then), items: then }
    };
    let stacks: BTreeMap<&StackId, Bill> = ids.into_iter().map(|id| (id, bill(id))).collect();
    let sum = |of: fn(&Bill) -> f64| stacks.values().map(of).fold(0.0, |sum, bill| sum + bill);
    let (now, then) = (sum(|bill| bill.now), sum(|bill| bill.then));
    match args.output {
        Format::Json => {
            console.out.json(&Shown { against: &look.against, now, then, stacks })?;
        }
        Format::Text => {
            look.remark(console)?;
            print(&stacks, (now, then), console)?;
        }
    }
    Ok(if look.bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(
    stacks: &BTreeMap<&StackId, Bill>,
    (now, then): (f64, f64),
    console: &Console,
) -> std::io::Result<()> {
    let out = &console.out;
    out.line(format!("{:<40} {:>12} {:>12}", "DOLLARS A MONTH", "NOW", "AS WISHED"))?;
    for (id, bill) in stacks {
        out.line(format!("{:<40} {:>12.2} {:>12.2}", id.to_string(), bill.now, bill.then))?;
        for Item { what, count, monthly } in &bill.items {
            out.line(format!("  {:<38} {:>12} {monthly:>12.2}", format!("{count} {what}"), ""))?;
        }
    }
    out.line(format!("{:<40} {now:>12.2} {then:>12.2}", "all"))
}

#[cfg(test)]
mod tests {
    use crate::{args::Cli, commands, output::tests::console};
    use clap::Parser;
    use serde_json::Value;

    #[test]
    fn a_load_balancer_costs_what_its_parts_do() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/alb-basic");
        let (console, out, _) = console();
        let line =
            ["edgeway", "cost", "--offline", "-f", folder, "-o", "json", "--price-balancer", "1"];
        commands::run(Cli::try_parse_from(line).unwrap(), &console).unwrap();
        let bill: Value = serde_json::from_str(&out.text()).unwrap();
        let stack = bill["stacks"].as_object().unwrap().values().next().unwrap();
        let items = stack["items"].as_array().unwrap();
        let parts: f64 = items.iter().map(|item| item["monthly"].as_f64().unwrap()).sum();
        assert!((parts - bill["then"].as_f64().unwrap()).abs() < 0.01, "{bill}");
        assert_eq!(items[0]["monthly"], 730.0);
        assert_eq!(bill["now"], 0.0);
    }
}
