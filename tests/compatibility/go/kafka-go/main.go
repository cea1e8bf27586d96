// The story through segmentio's kafka-go: `kafka-go BOOTSTRAP PREFIX [CHAPTER...]`, or `member STRATEGY`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
	"time"

	. "broker.tests/facts"
	"github.com/segmentio/kafka-go"
)

var ctx = context.Background()

func orders() string { return Prefix + "-orders" }
func codecs() string { return Prefix + "-codecs" }
func shared() string { return Prefix + "-shared" }
func group() string  { return Prefix + "-group" }

func main() {
	Tell(beAMember, []Chapter{{"topics", topics}, {"configs", configs}, {"produce", produce}, {"consume", consume},
		{"groups", groups}, {"farewell", farewell}})
}

// client asks for metadata first: it sees what there is now.
func client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(Bootstrap), Timeout: 30 * time.Second, Transport: transport()}
}

// transport is patient with a busy machine. Metadata has as long for its answer as it is then kept.
func transport() *kafka.Transport {
	return &kafka.Transport{ClientID: "story", MetadataTTL: 30 * time.Second, DialTimeout: 30 * time.Second}
}

// admin is for what needs no topics' leaders.
var admin = sync.OnceValue(client)

type entries map[string]string

func topics() {
	Check(create(orders(), 3, Replicas, entries{"retention.ms": "-1", "max.message.bytes": "20000"}))
	Check(create(codecs(), 1, Replicas, nil))
	Check(create(shared(), 6, Replicas, nil))
	WaitUntil("topics", func() bool { return len(ownTopics()) == 3 })
	Refused("create again", create(orders(), 3, Replicas, nil))
	Refused("create with an unknown config", create(Prefix+"-bad", 1, Replicas, entries{"retention": "1"}))
	Refused("create with a wrong config", create(Prefix+"-bad", 1, Replicas, entries{"retention.ms": "soon"}))
	Refused("create with too many replicas", create(Prefix+"-bad", 1, 4, nil))
	Refused("create with no partitions", create(Prefix+"-bad", 0, Replicas, nil))
	Refused("create with a wrong name", create(Prefix+" bad", 1, Replicas, nil))
	Fact("topics", ownTopics())
	for _, name := range []string{orders(), Prefix + "-unknown"} {
		metadata := Must(client().Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}}))
		Fact("cluster", metadata.Controller, metadata.Brokers)
		for _, topic := range metadata.Topics {
			Fact("topic", topic.Name, topic.Internal, topic.Error)
			sort.Slice(topic.Partitions, func(i, j int) bool { return topic.Partitions[i].ID < topic.Partitions[j].ID })
			for _, p := range topic.Partitions {
				Fact("partition", p.ID, p.Leader.ID, len(p.Replicas), len(p.Isr), p.Error)
			}
		}
	}
	for _, api := range Must(admin().ApiVersions(ctx, &kafka.ApiVersionsRequest{})).ApiKeys {
		if api.ApiName == "CreateTopics" {
			Fact("served", api.ApiName, api.MinVersion, api.MaxVersion)
		}
	}
}

func create(topic string, partitions int, replicas int16, configs entries) error {
	config := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: int(replicas)}
	for name, value := range configs {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	created, err := admin().CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
	if err != nil {
		return err
	}
	return created.Errors[topic]
}

func ownTopics() (own []string) {
	for _, topic := range Must(client().Metadata(ctx, &kafka.MetadataRequest{})).Topics {
		if strings.HasPrefix(topic.Name, Prefix) {
			own = append(own, topic.Name)
		}
	}
	sort.Strings(own)
	return own
}

func describeConfigs(topic string) kafka.DescribeConfigResponseResource {
	request := &kafka.DescribeConfigsRequest{IncludeSynonyms: true, Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}}}
	found := Must(admin().DescribeConfigs(ctx, request)).Resources[0]
	sort.Slice(found.ConfigEntries, func(i, j int) bool { return found.ConfigEntries[i].ConfigName < found.ConfigEntries[j].ConfigName })
	return found
}

func configs() {
	for _, entry := range describeConfigs(orders()).ConfigEntries {
		Fact("config", entry.ConfigName, entry.ConfigValue, entry.ConfigSource, entry.ConfigType, entry.IsDefault, entry.ReadOnly, entry.IsSensitive, entry.ConfigSynonyms)
	}
	Refused("alter", alter("segment.ms", "3600000", kafka.ConfigOperationSet))
	WaitUntil("the change", func() bool { return value("segment.ms") == "3600000" })
	Refused("alter with a wrong value", alter("retention.ms", "soon", kafka.ConfigOperationSet))
	Refused("alter an unknown config", alter("retention", "1", kafka.ConfigOperationSet))
	Refused("put it back", alter("segment.ms", "", kafka.ConfigOperationDelete))
	Refused("configs of an unknown topic", describeConfigs(Prefix+"-unknown").Error)
	grow := func(topic string, count int32) error {
		request := &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: count}}}
		return Must(admin().CreatePartitions(ctx, request)).Errors[topic]
	}
	Refused("more partitions", grow(orders(), 4))
	WaitUntil("four partitions", func() bool {
		found := Must(client().Metadata(ctx, &kafka.MetadataRequest{Topics: []string{orders()}}))
		return len(found.Topics[0].Partitions) == 4
	})
	Refused("fewer partitions", grow(orders(), 2))
	Refused("more partitions for an unknown topic", grow(Prefix+"-unknown", 2))
}

func alter(name, value string, operation kafka.ConfigOperation) error {
	change := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: orders(),
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: name, Value: value, ConfigOperation: operation}}}
	request := &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{change}}
	return Must(admin().IncrementalAlterConfigs(ctx, request)).Resources[0].Error
}

func value(name string) string {
	for _, entry := range describeConfigs(orders()).ConfigEntries {
		if entry.ConfigName == name {
			return entry.ConfigValue
		}
	}
	return ""
}

// toPartition is a balancer that always chooses the same partition.
func toPartition(partition int) kafka.Balancer {
	return kafka.BalancerFunc(func(kafka.Message, ...int) int { return partition })
}

func writer(topic string, balancer kafka.Balancer) *kafka.Writer {
	return &kafka.Writer{Addr: kafka.TCP(Bootstrap), Topic: topic, Balancer: balancer, MaxAttempts: 1, BatchTimeout: time.Millisecond,
		RequiredAcks: kafka.RequireAll, ReadTimeout: 30 * time.Second, Transport: transport()}
}

// send produces and tells the error, or where the end of the partition is then.
func send(to *kafka.Writer, message kafka.Message) string {
	defer to.Close()
	err := to.WriteMessages(ctx, message)
	var each kafka.WriteErrors
	if errors.As(err, &each) {
		err = each[0]
	}
	return fmt.Sprint(err)
}

func produce() {
	at := func(second int64) time.Time { return time.UnixMilli(Epoch + second*1000) }
	headers := []kafka.Header{{Key: "h", Value: []byte("one")}, {Key: "h", Value: []byte("two")}, {Key: "null"}}
	for n := range 8 {
		message := kafka.Message{Key: fmt.Appendf(nil, "key-%d", n%5), Value: fmt.Appendf(nil, "value %d", n), Time: at(int64(n))}
		if n%4 == 0 {
			message.Headers = headers
		}
		Fact("keyed", n, send(writer(orders(), kafka.Murmur2Balancer{}), message))
	}
	Fact("no key", send(writer(orders(), toPartition(0)), kafka.Message{Value: []byte("alone"), Time: at(8)}))
	Fact("tombstone", send(writer(orders(), toPartition(0)), kafka.Message{Key: []byte("key-1"), Time: at(9)}))
	Fact("empty", send(writer(orders(), toPartition(0)), kafka.Message{Key: []byte{}, Value: []byte{}, Time: at(10)}))
	Fact("too large", send(writer(orders(), toPartition(0)), kafka.Message{Value: make([]byte, 50_000)}))
	Fact("unknown topic", send(writer(Prefix+"-unknown", toPartition(0)), kafka.Message{Value: []byte("lost")}))
	for _, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		for _, acks := range []kafka.RequiredAcks{kafka.RequireNone, kafka.RequireOne, kafka.RequireAll} {
			produceWith(codec, acks)
		}
	}
}

func produceWith(codec kafka.Compression, acks kafka.RequiredAcks) {
	to := writer(codecs(), toPartition(0))
	defer to.Close()
	to.Compression, to.RequiredAcks = codec, acks
	start, messages := offset(codecs(), kafka.LastOffset).LastOffset, []kafka.Message{}
	for n := range 20 {
		value := strings.Repeat(fmt.Sprint(int(codec), " ", int(acks), " ", n, " "), 20)
		messages = append(messages, kafka.Message{Value: []byte(value)})
	}
	Check(to.WriteMessages(ctx, messages...), codec, acks)
	WaitUntil("delivery", func() bool { return offset(codecs(), kafka.LastOffset).LastOffset == start+20 })
	Fact("codec", int(codec), "acks", int(acks), "up to", start+20)
}

func offset(topic string, time int64) kafka.PartitionOffsets {
	request := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {{Partition: 0, Timestamp: time}}}}
	return Must(client().ListOffsets(ctx, request)).Topics[topic][0]
}

// read gives records of a partition in order.
func read(topic string, partition int, from int64, count int) ([]kafka.Message, error) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{Bootstrap}, Topic: topic, Partition: partition,
		MaxWait: 100 * time.Millisecond, OffsetOutOfRangeError: true, MaxAttempts: 1})
	defer reader.Close()
	Check(reader.SetOffset(from))
	within, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	records := []kafka.Message{}
	for len(records) < count {
		record, err := reader.ReadMessage(within)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

func consume() {
	for partition, count := range []int{5, 3, 2, 1} {
		for _, r := range Must(read(orders(), partition, kafka.FirstOffset, count)) {
			headers := []string{}
			for _, header := range r.Headers {
				headers = append(headers, header.Key+"="+text(header.Value))
			}
			Fact("record", fmt.Sprint(r.Partition, "@", r.Offset), text(r.Key), text(r.Value), headers, r.Time.UnixMilli(), r.HighWaterMark)
		}
	}
	records := Must(read(codecs(), 0, kafka.FirstOffset, 300))
	values := map[string]bool{}
	for n, record := range records {
		values[string(record.Value)] = true
		if record.Offset != int64(n) {
			Fact("out of order", n, record.Offset)
		}
	}
	Fact("codecs", len(records), len(values))
	Fact("from an offset", Must(read(codecs(), 0, 77, 1))[0].Offset)
	for _, time := range []int64{0, Epoch + 8500, Epoch + 3_600_000, kafka.FirstOffset, kafka.LastOffset} {
		found := offset(orders(), time)
		Fact("offset at", time, found.FirstOffset, found.LastOffset, found.Offsets, found.Error)
	}
	_, err := read(codecs(), 0, 1000, 1)
	Refused("out of range", err)
	fetched := Must(client().Fetch(ctx, &kafka.FetchRequest{Topic: codecs(), Partition: 0, Offset: 1000, MaxBytes: 1000}))
	Refused("fetch out of range", fetched.Error)
	unknown, err := client().Fetch(ctx, &kafka.FetchRequest{Topic: Prefix + "-unknown", Partition: 0, MaxBytes: 1000})
	if err == nil {
		err = unknown.Error
	}
	Refused("fetch an unknown topic", err)
}

func text(bytes []byte) string {
	if bytes == nil {
		return "null"
	}
	return fmt.Sprintf("%q", bytes)
}

// member is a reader in a group, and what it has seen.
type member struct {
	reader *kafka.Reader
	mutex  sync.Mutex
	seen   map[string]kafka.Message
	ended  chan struct{}
}

var balancers = map[string]kafka.GroupBalancer{"range": kafka.RangeGroupBalancer{}, "roundrobin": kafka.RoundRobinGroupBalancer{}}

func join(strategy string) *member {
	m := &member{seen: map[string]kafka.Message{}, ended: make(chan struct{})}
	m.reader = kafka.NewReader(kafka.ReaderConfig{Brokers: []string{Bootstrap}, GroupID: group(), Topic: shared(),
		GroupBalancers: []kafka.GroupBalancer{balancers[strategy]}, SessionTimeout: 6 * time.Second, HeartbeatInterval: 500 * time.Millisecond,
		RebalanceTimeout: 10 * time.Second, MaxWait: 100 * time.Millisecond, StartOffset: kafka.FirstOffset,
		Dialer: &kafka.Dialer{ClientID: "member", Timeout: 30 * time.Second}})
	go func() {
		defer close(m.ended)
		for {
			r, err := m.reader.FetchMessage(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			Check(err, "fetch")
			m.mutex.Lock()
			m.seen[fmt.Sprintf("%d@%d %s", r.Partition, r.Offset, r.Value)] = r
			m.mutex.Unlock()
		}
	}()
	return m
}

func (m *member) leave() {
	Check(m.reader.Close())
	<-m.ended
}

func seenBy(members ...*member) (all []string) {
	seen := map[string]bool{}
	for _, m := range members {
		m.mutex.Lock()
		for record := range m.seen {
			if !seen[record] {
				seen[record] = true
				all = append(all, record)
			}
		}
		m.mutex.Unlock()
	}
	sort.Strings(all)
	return all
}

func groups() {
	fill("first", 12)
	oneIsKilled("range")
	oneIsKilled("roundrobin")
	first := join("range")
	WaitUntil("all records", func() bool { return len(seenBy(first)) == 12 })
	Fact("nothing committed", offsets())
	for _, record := range seenBy(first) { // in order, as a later commit wins
		Check(first.reader.CommitMessages(ctx, first.seen[record]))
	}
	Fact("committed", offsets())
	first.leave()
	fill("second", 6)
	second := join("range")
	WaitUntil("the new records", func() bool { return len(seenBy(second)) == 6 })
	Fact("resumed", seenBy(second))
	second.leave()
	administer()
}

func fill(word string, count int) {
	for n := range count {
		Fact("filled", send(writer(shared(), toPartition(n%6)), kafka.Message{Value: fmt.Appendf(nil, "%s %d", word, n)}))
	}
}

func oneIsKilled(strategy string) {
	a, b := join(strategy), join(strategy)
	kill := StartMember(strategy)
	// A reader does not tell what it was assigned: the group does.
	waitForShares := func(name, shares string) {
		WaitUntil(name, func() bool { return strings.HasSuffix(describeGroup(group()), shares) })
		Fact(name, describeGroup(group()))
	}
	waitForShares("three members", "Stable [member /127.0.0.1 2 member /127.0.0.1 2 member /127.0.0.1 2]")
	Refused("delete a group with members", deleteGroup(group()))
	kill()
	waitForShares("one was killed", "Stable [member /127.0.0.1 3 member /127.0.0.1 3]")
	WaitUntil("all records", func() bool { return len(seenBy(a, b)) == 12 })
	a.leave()
	b.leave()
	waitForShares("all left", "Empty []")
}

func describeGroup(name string) string {
	described := Must(admin().DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{name}})).Groups[0]
	members := []string{}
	for _, m := range described.Members {
		partitions := 0
		for _, topic := range m.MemberAssignments.Topics {
			partitions += len(topic.Partitions)
		}
		members = append(members, fmt.Sprint(m.ClientID, " ", m.ClientHost, " ", partitions))
	}
	sort.Strings(members)
	return fmt.Sprint(described.GroupID, " ", described.Error, " ", described.GroupState, " ", members)
}

func deleteGroup(name string) error {
	return Must(admin().DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{name}})).Errors[name]
}

func offsets() (all []string) {
	request := &kafka.OffsetFetchRequest{GroupID: group(), Topics: map[string][]int{shared(): {0, 1, 2, 3, 4, 5}}}
	fetched := Must(admin().OffsetFetch(ctx, request)).Topics[shared()]
	for _, offset := range fetched {
		all = append(all, fmt.Sprint(offset.Partition, "@", offset.CommittedOffset, " ", offset.Metadata, " ", offset.Error))
	}
	sort.Strings(all)
	return all
}

func administer() {
	for _, listed := range Must(admin().ListGroups(ctx, &kafka.ListGroupsRequest{})).Groups {
		if listed.GroupID == group() {
			Fact("listed", listed.GroupID, listed.Coordinator)
		}
	}
	Fact("unknown group", describeGroup(Prefix+"-none"))
	commit := func(partition int, metadata string) error {
		request := &kafka.OffsetCommitRequest{GroupID: group(), GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{
			shared(): {{Partition: partition, Offset: 1, Metadata: metadata}}}}
		return Must(admin().OffsetCommit(ctx, request)).Topics[shared()][0].Error
	}
	Refused("commit from outside", commit(0, "noted"))
	Refused("commit for an unknown partition", commit(17, ""))
	Refused("commit too much metadata", commit(1, strings.Repeat("x", 5000)))
	Fact("offsets", offsets())
	coordinator := Must(admin().FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: group(), KeyType: kafka.CoordinatorKeyTypeConsumer}))
	Fact("coordinator", coordinator.Coordinator.NodeID, coordinator.Error)
	Refused("delete", deleteGroup(group()))
	Refused("delete again", deleteGroup(group()))
}

func farewell() {
	remove := func(topic string) error {
		return Must(admin().DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})).Errors[topic]
	}
	for _, topic := range ownTopics() {
		Check(remove(topic))
	}
	Refused("delete an unknown topic", remove(Prefix+"-unknown"))
	WaitUntil("no topics", func() bool { return len(ownTopics()) == 0 })
}

// beAMember consumes until the process is killed.
func beAMember(strategy string) { join(strategy) }
