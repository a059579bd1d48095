//! docs/walk-through.md works: every block in it is run, and says what the document says.
use crate::support::appliance::{self, Appliance};
use crate::support::blocks;
use crate::support::publish;

const ON_A_LAPTOP: &str = "pagi-appliance gateway\n";
const ON_A_CLUSTER: &str = "pagi-appliance gateway --brokers kafka-1:9092,kafka-2:9092\n";

#[test]
fn the_walk_through_leads_from_a_laptop_to_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    blocks::put_binary_into(folder.path());
    let start =
        |name: &str, brokers| Appliance::start_on(brokers, &folder.path().join(name), &[]).ready();
    // Without a cluster to test with, another embedded broker stands for it.
    let stand_in = appliance::brokers_outside().is_none().then(|| start("cluster", None));
    let cluster = stand_in.as_ref().map(|stand_in| stand_in.brokers.clone());
    let cluster = cluster.or_else(appliance::brokers_outside).unwrap();
    let (topic, group) = (publish::new_topic("walked"), publish::new_topic("walkers"));

    let (mut laptop, mut vm) = (None, None);
    let mut ran = 0;
    let text = blocks::text("docs/walk-through.md");
    let all = blocks::blocks(&text);
    for (index, block) in all.iter().enumerate().filter(|(_, block)| block.language == "sh") {
        ran += 1;
        match (block.text.as_str(), &laptop, &vm) {
            (ON_A_LAPTOP, ..) => laptop = Some(start("laptop", None)),
            (ON_A_CLUSTER, ..) => vm = Some(start("vm", Some(cluster.clone()))),
            (command, Some(laptop), vm) => {
                let mut here = vec![
                    ("127.0.0.1:8080", laptop.gateway.to_string()),
                    ("127.0.0.1:9092", laptop.brokers.clone()),
                    ("kafka-1:9092,kafka-2:9092", cluster.clone()),
                    ("twin.events", topic.clone()),
                    ("my-service", group.clone()),
                ];
                here.extend(vm.iter().map(|vm| ("vm-1:8080", vm.gateway.to_string())));
                let adapt = |text: &str| {
                    here.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
                };
                let output = blocks::run(&adapt(command), folder.path(), &[]);
                if let Some(says) = all.get(index + 1).filter(|block| block.language == "text") {
                    blocks::assert_says(command, &output, &adapt(&says.text));
                }
            }
            (command, None, _) => panic!("before the gateway is started:\n{command}"),
        }
    }
    assert_eq!(ran, 5, "the title says how many");
}
