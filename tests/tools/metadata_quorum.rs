//! `kafka-metadata-quorum.sh`: through brokers and through controllers.

use crate::call::{Call, Tool, compare, compare_in_turn};
use crate::nodes::{Maker, Nodes};

const QUORUM: Tool = Tool {
    name: "metadata-quorum",
    class: "org.apache.kafka.tools.MetadataQuorumCommand",
};

const fn on(arguments: &'static str) -> Call {
    QUORUM.call(arguments)
}

/// A call with the config of a controller.
const fn add(config: &'static str) -> Call {
    on("{on} --command-config {f} add-controller --dry-run").with_file(config)
}

#[test]
fn a_quorum_is_described_as_by_kafkas_tool() {
    fn nodes(maker: Maker, test: u8) -> Option<Nodes> {
        Nodes::with_brokers(test, &[maker; 3], &[maker], &[])
    }
    compare_in_turn(
        &[
            on("{on} describe --status"),
            on("{on} describe --replication"),
            on("{on} describe --replication --human-readable"),
            on("--bootstrap-controller {c} describe --status"),
            on("--bootstrap-controller {c} describe --replication"),
            on("--bootstrap-controller {c} describe --replication --human-readable"),
        ],
        238,
        nodes,
    );
}

#[test]
fn voters_are_added_and_removed_as_by_kafkas_tool() {
    compare(
        &[
            on("{on} describe").told(),
            on("{on} describe --status --replication").told(),
            on("{on} describe --status --human-readable").told(),
            on("{on} describe --human-readable").told(),
            on("{on} describe --lag"),
            on("{on}"),
            on("{on} forget"),
            on("describe --status"),
            on("{on} --bootstrap-controller {c} describe --status"),
            on("{on} --command-config /no/such/file describe --status").told(),
            on("--bootstrap-server no-port describe --status").told(),
            on("--bootstrap-server {c} --command-config {soon} describe --status"),
            on("--bootstrap-controller {b} --command-config {soon} describe --status"),
            on("{on} add-controller").told(),
            add("").told(),
            add("node.id=x\nprocess.roles=controller\n").told(),
            add("node.id=-1\nprocess.roles=controller\n").told(),
            add("node.id=1\nprocess.roles=broker\n").told(),
            add("node.id=1\nprocess.roles=controller\n").told(),
            add("node.id=1\nprocess.roles=controller\nlog.dirs=/no/such/directory\n").told(),
            add("node.id=1\nprocess.roles=controller\nlog.dirs={d1a},/other\n").told(),
            add("node.id=1\nprocess.roles=controller\nlog.dirs={d1a}\ncontroller.listener.names=C\n")
                .told(),
            add(
                "node.id=1\nprocess.roles=controller\nlog.dirs={d1a}\ncontroller.listener.names=C\n\
                 listeners=C:9093\n",
            )
            .told(),
            add(
                "node.id=1\nprocess.roles=broker,controller\nmetadata.log.dir={d1a}\n\
                 controller.listener.names=c,D\nlisteners=B://:1, C://:9093 ,D://[::1]:9094\n\
                 advertised.listeners=D://host:9095\n",
            ),
            on("{on} --command-config {f} add-controller")
                .with_file(
                    "node.id=1\nprocess.roles=controller\nlog.dirs={d1a}\ncontroller.listener.names=CONTROLLER\n\
                     listeners=CONTROLLER://{c}\n",
                )
                .told(),
            on("{on} remove-controller --controller-id 7 --controller-directory-id _KWDkTahTVaiVVVTaugNew --dry-run"),
            on("{on} remove-controller -i 7 -d _KWDkTahTVaiVVVTaugNew== --dry-run"),
            on("{on} remove-controller -i 7 -d _KWDkTahTVaiVVVTaugNew").told(),
            on("--bootstrap-controller {c} remove-controller -i 7 -d _KWDkTahTVaiVVVTaugNew").told(),
            on("{on} remove-controller -i 7 -d short --dry-run").told(),
            on("{on} remove-controller -i 7 -d not/good --dry-run").told(),
            on("{on} remove-controller -i 7 -d AAAAAAAAAAAAAAAAAAAAAAAAAAA --dry-run").told(),
            on("{on} remove-controller -i -7 -d _KWDkTahTVaiVVVTaugNew --dry-run").told(),
            on("{on} remove-controller -i x -d _KWDkTahTVaiVVVTaugNew --dry-run"),
            on("{on} remove-controller -i 7"),
            on("{on} remove-controller -d _KWDkTahTVaiVVVTaugNew"),
        ],
        110,
    );
}
