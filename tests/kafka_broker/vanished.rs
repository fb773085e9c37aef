//! Files that another program deletes while the broker runs.

use std::fs;
use std::time::{Duration, Instant};

use crate::client::{ALL, batch};
use crate::process::Broker;
use crate::resource_baseline::ResourceBaseline;

#[test]
fn producers_and_consumers_of_a_deleted_topic_get_an_error_and_others_go_on() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    for sync in ["never", "batch"] {
        let home = directory.path().join(sync);
        let broker = Broker::start_with(&home, ["--sync", sync]);
        let mut client = broker.client();
        client.topics(&["deleted", "there"]);
        let one = batch(&[b"x"], None);
        assert_eq!(client.produce("deleted", -1, &one), (0, 0));
        fs::remove_dir_all(home.join("topics/deleted")).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        let code = loop {
            let (code, _) = client.produce("deleted", 1, &one);
            assert!(Instant::now() < end, "it goes on in a deleted file");
            if code != 0 {
                break code;
            }
        };
        assert_eq!(code, 56, "so that the producer keeps the batch and sends it again");
        assert_eq!(client.fetch("deleted", 0, ALL).code, 56);
        assert_eq!(client.produce("there", -1, &one), (0, 0));
        drop(broker);
        // After a restart it is a new topic.
        let broker = Broker::start(&home);
        let mut client = broker.client();
        client.topics(&["deleted"]);
        assert_eq!(client.produce("deleted", -1, &one), (0, 0));
        assert_eq!(client.fetch("there", 0, ALL).end, 1);
    }
}
