// The story through franz-go: `franz-go BOOTSTRAP PREFIX [CHAPTER...]`, or `member STRATEGY`.
package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	. "broker.tests/facts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
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

func client(options ...kgo.Opt) *kgo.Client {
	return Must(kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(Bootstrap)}, options...)...))
}

var admin = sync.OnceValue(func() *kadm.Client { return kadm.NewClient(client()) })

func topics() {
	unlimited, small := "-1", "20000"
	Check(create(orders(), 3, Replicas, map[string]*string{"retention.ms": &unlimited, "max.message.bytes": &small}))
	Check(create(codecs(), 1, Replicas, nil))
	Check(create(shared(), 6, Replicas, nil))
	WaitUntil("topics", func() bool { return len(ownTopics()) == 3 })
	one, soon := "1", "soon"
	Refused("create again", create(orders(), 3, Replicas, nil))
	Refused("create with an unknown config", create(Prefix+"-bad", 1, Replicas, map[string]*string{"retention": &one}))
	Refused("create with a wrong config", create(Prefix+"-bad", 1, Replicas, map[string]*string{"retention.ms": &soon}))
	Refused("create with too many replicas", create(Prefix+"-bad", 1, 4, nil))
	Refused("create with no partitions", create(Prefix+"-bad", 0, Replicas, nil))
	Refused("create with a wrong name", create(Prefix+" bad", 1, Replicas, nil))
	metadata := Must(admin().Metadata(ctx))
	Fact("cluster", metadata.Controller, metadata.Brokers)
	for _, topic := range metadata.Topics.Sorted() {
		if strings.HasPrefix(topic.Topic, Prefix) {
			Fact("topic", topic.Topic, topic.IsInternal, topic.Err, topic.Partitions.Numbers())
			for _, p := range topic.Partitions.Sorted() {
				Fact("partition", p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR, p.OfflineReplicas, p.Err)
			}
		}
	}
	unknown := Must(admin().ListTopics(ctx, Prefix+"-unknown"))
	Fact("describe unknown", unknown[Prefix+"-unknown"].Err)
	versions := Must(admin().ApiVersions(ctx))
	Fact("brokers that tell versions", len(versions))
}

// ownTopics asks with a new client: one remembers what it has seen for a while.
func ownTopics() (own []string) {
	fresh := kadm.NewClient(client())
	defer fresh.Close()
	for _, name := range Must(fresh.ListTopics(ctx)).Names() {
		if strings.HasPrefix(name, Prefix) {
			own = append(own, name)
		}
	}
	return own
}

func create(topic string, partitions int32, replicas int16, configs map[string]*string) error {
	created, err := admin().CreateTopics(ctx, partitions, replicas, configs, topic)
	if err != nil {
		return err
	}
	return withMessage(created[topic].Err, created[topic].ErrMessage)
}

func withMessage(err error, message string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w %q", err, message)
}

func configs() {
	described := Must(Must(admin().DescribeTopicConfigs(ctx, orders())).On(orders(), nil))
	sort.Slice(described.Configs, func(i, j int) bool { return described.Configs[i].Key < described.Configs[j].Key })
	for _, config := range described.Configs {
		synonyms := []string{}
		for _, synonym := range config.Synonyms {
			synonyms = append(synonyms, fmt.Sprint(synonym.Key, "=", *synonym.Value, " ", synonym.Source))
		}
		Fact("config", config.Key, config.MaybeValue(), config.Source, config.Sensitive, synonyms)
	}
	hour, soon := "3600000", "soon"
	Refused("alter", alter(kadm.AlterConfig{Op: kadm.SetConfig, Name: "segment.ms", Value: &hour}))
	Refused("alter with a wrong value", alter(kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.ms", Value: &soon}))
	Refused("alter an unknown config", alter(kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention", Value: &hour}))
	Refused("put it back", alter(kadm.AlterConfig{Op: kadm.DeleteConfig, Name: "segment.ms"}))
	unknown := Must(admin().DescribeTopicConfigs(ctx, Prefix+"-unknown"))[0]
	Refused("configs of an unknown topic", unknown.Err)
	grown := Must(admin().UpdatePartitions(ctx, 4, orders()))[orders()]
	Refused("more partitions", withMessage(grown.Err, grown.ErrMessage))
	WaitUntil("four partitions", func() bool { return len(Must(kadm.NewClient(client()).ListEndOffsets(ctx, orders()))[orders()]) == 4 })
	grown = Must(admin().CreatePartitions(ctx, 1, Prefix+"-unknown"))[Prefix+"-unknown"]
	Refused("more partitions for an unknown topic", withMessage(grown.Err, grown.ErrMessage))
}

func alter(change kadm.AlterConfig) error {
	altered, err := admin().AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, orders())
	if err != nil {
		return err
	}
	return withMessage(altered[0].Err, altered[0].ErrMessage)
}

func send(producer *kgo.Client, record *kgo.Record) string {
	sent, err := producer.ProduceSync(ctx, record).First()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(sent.Partition, "@", sent.Offset)
}

func produce() {
	keyed := client(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.UnknownTopicRetries(1))
	manual := client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer keyed.Close()
	defer manual.Close()
	at := func(second int64) time.Time { return time.UnixMilli(Epoch + second*1000) }
	headers := []kgo.RecordHeader{{Key: "h", Value: []byte("one")}, {Key: "h", Value: []byte("two")}, {Key: "null"}}
	for n := range 8 {
		record := &kgo.Record{Topic: orders(), Key: fmt.Appendf(nil, "key-%d", n%5), Value: fmt.Appendf(nil, "value %d", n),
			Timestamp: at(int64(n))}
		if n%4 == 0 {
			record.Headers = headers
		}
		Fact("keyed", n, send(keyed, record))
	}
	Fact("no key", send(manual, &kgo.Record{Topic: orders(), Value: []byte("alone"), Timestamp: at(8)}))
	Fact("tombstone", send(manual, &kgo.Record{Topic: orders(), Key: []byte("key-1"), Timestamp: at(9)}))
	Fact("empty", send(manual, &kgo.Record{Topic: orders(), Key: []byte{}, Value: []byte{}, Timestamp: at(10)}))
	Fact("too large", send(manual, &kgo.Record{Topic: orders(), Value: make([]byte, 50_000)}))
	Fact("unknown topic", send(keyed, &kgo.Record{Topic: Prefix + "-unknown", Value: []byte("lost")}))
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		for _, acks := range []string{"0", "1", "all", "idempotent"} {
			produceWith(codec, acks)
		}
	}
}

var compressions = map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}

func produceWith(codec, acks string) {
	// One batch: what is not acknowledged has its place there for an offset.
	options := []kgo.Opt{kgo.ProducerBatchCompression(compressions[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(20 * time.Millisecond)}
	switch acks {
	case "0":
		options = append(options, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	case "1":
		options = append(options, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "all":
		options = append(options, kgo.DisableIdempotentWrite())
	}
	producer := client(options...)
	defer producer.Close()
	start, records := end(codecs()), []*kgo.Record{}
	for n := range 20 {
		value := strings.Repeat(fmt.Sprint(codec, " ", acks, " ", n, " "), 20)
		records = append(records, &kgo.Record{Topic: codecs(), Value: []byte(value)})
	}
	Check(producer.ProduceSync(ctx, records...).FirstErr(), codec, acks)
	WaitUntil("delivery", func() bool { return end(codecs()) == start+20 })
	Fact("codec", codec, "acks", acks, records[0].Offset, records[19].Offset, "up to", start+20)
}

func end(topic string) int64 {
	offset, _ := Must(admin().ListEndOffsets(ctx, topic)).Lookup(topic, 0)
	return offset.Offset
}

// read gives records in order within each partition, or the error that ended reading.
func read(topic string, partitions int32, from kgo.Offset, count int, options ...kgo.Opt) ([]*kgo.Record, error) {
	starts := map[int32]kgo.Offset{}
	for partition := range partitions {
		starts[partition] = from
	}
	consumer := client(append(options, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}))...)
	defer consumer.Close()
	within, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	records := []*kgo.Record{}
	for len(records) < count {
		fetches := consumer.PollFetches(within)
		for _, failed := range fetches.Errors() {
			return nil, failed.Err
		}
		records = append(records, fetches.Records()...)
	}
	sort.SliceStable(records, func(i, j int) bool { return records[i].Partition < records[j].Partition })
	return records, nil
}

func consume() {
	start := kgo.NewOffset().AtStart()
	for _, r := range Must(read(orders(), 4, start, 11)) {
		Fact("record", fmt.Sprint(r.Partition, "@", r.Offset), text(r.Key), text(r.Value), headersOf(r),
			r.Timestamp.UnixMilli(), r.LeaderEpoch)
	}
	Fact("committed", len(Must(read(orders(), 4, start, 11, kgo.FetchIsolationLevel(kgo.ReadCommitted())))))
	everything := Must(read(codecs(), 1, start, 400))
	values := map[string]bool{}
	for n, record := range everything {
		values[string(record.Value)] = true
		if record.Offset != int64(n) {
			Fact("out of order", n, record.Offset)
		}
	}
	Fact("codecs", len(everything), len(values))
	Fact("from an offset", Must(read(codecs(), 1, kgo.NewOffset().At(77), 1))[0].Offset)
	Fact("from the end", Must(read(codecs(), 1, kgo.NewOffset().AtEnd().Relative(-5), 1))[0].Offset)
	Fact("from a time", Must(read(orders(), 1, kgo.NewOffset().AfterMilli(Epoch+8500), 1))[0].Offset)
	for _, time := range []int64{0, Epoch + 8500, Epoch + 3_600_000} {
		found, _ := Must(admin().ListOffsetsAfterMilli(ctx, time, orders())).Lookup(orders(), 0)
		Fact("offset at", time, found.Offset, found.Timestamp, found.LeaderEpoch, found.Err)
	}
	starts, _ := Must(admin().ListStartOffsets(ctx, orders())).Lookup(orders(), 0)
	Fact("start", starts.Offset, "end", end(orders()))
	_, err := read(codecs(), 1, kgo.NewOffset().At(1000), 1, kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	Refused("out of range", err)
	again := Must(read(codecs(), 1, kgo.NewOffset().At(1000), 1, kgo.ConsumeResetOffset(start)))
	Fact("out of range, from the start", again[0].Offset)
}

func text(bytes []byte) string {
	if bytes == nil {
		return "null"
	}
	return fmt.Sprintf("%q", bytes)
}

func headersOf(record *kgo.Record) (headers []string) {
	for _, header := range record.Headers {
		headers = append(headers, header.Key+"="+text(header.Value))
	}
	return headers
}

// member is a consumer of a group that knows what it was assigned.
type member struct {
	client *kgo.Client
	mutex  sync.Mutex
	owned  map[int32]bool
	seen   map[string]bool
}

func join(name, strategy string, options ...kgo.Opt) *member {
	m := &member{owned: map[int32]bool{}, seen: map[string]bool{}}
	changes := func(owned bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.mutex.Lock()
			defer m.mutex.Unlock()
			for _, partition := range partitions[shared()] {
				delete(m.owned, partition)
				if owned {
					m.owned[partition] = true
				}
			}
		}
	}
	balancer := map[string]kgo.GroupBalancer{"range": kgo.RangeBalancer(), "cooperative": kgo.CooperativeStickyBalancer()}[strategy]
	m.client = client(append([]kgo.Opt{kgo.ConsumerGroup(name), kgo.ConsumeTopics(shared()), kgo.Balancers(balancer),
		kgo.ClientID("member"), kgo.DisableAutoCommit(), kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.OnPartitionsAssigned(changes(true)),
		kgo.OnPartitionsRevoked(changes(false)), kgo.OnPartitionsLost(changes(false))}, options...)...)
	return m
}

// poll takes what has come, and tells how many partitions the member owns.
func (m *member) poll() int {
	soon, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	m.client.PollFetches(soon).EachRecord(func(r *kgo.Record) {
		m.seen[fmt.Sprintf("%d@%d %s", r.Partition, r.Offset, r.Value)] = true
	})
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.owned)
}

func sorted(sets ...map[string]bool) []string {
	values := []string{}
	for _, set := range sets {
		for value := range set {
			values = append(values, value)
		}
	}
	sort.Strings(values)
	return values
}

func groups() {
	producer := client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer producer.Close()
	for n := range 12 {
		send(producer, &kgo.Record{Topic: shared(), Partition: int32(n % 6), Value: fmt.Appendf(nil, "first %d", n)})
	}
	oneIsKilled("range")
	oneIsKilled("cooperative")
	commitAndResume(producer)
	staticMember()
	administer()
}

func oneIsKilled(strategy string) {
	a, b := join(group(), strategy), join(group(), strategy)
	kill := StartMember(strategy)
	// In cooperative steps the third member gets its share after the others gave theirs up.
	WaitUntil("three members", func() bool {
		return a.poll() == 2 && b.poll() == 2 && strings.Count(describeGroup(group()), "none 2") == 3
	})
	Fact("three members", describeGroup(group()))
	Refused("delete a group with members", deleteGroup(group()))
	kill()
	WaitUntil("the others take over", func() bool {
		both := map[string]bool{}
		for _, value := range sorted(a.seen, b.seen) {
			both[value] = true
		}
		return a.poll() == 3 && b.poll() == 3 && len(both) == 12
	})
	Fact("one was killed", describeGroup(group()))
	a.client.Close()
	b.client.Close()
	Fact("all left", describeGroup(group()))
}

func describeGroup(name string) string {
	described := Must(admin().DescribeGroups(ctx, name))[name]
	members := []string{}
	for _, m := range described.Members {
		partitions := 0
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, topic := range assigned.Topics {
				partitions += len(topic.Partitions)
			}
		}
		instance := "none"
		if m.InstanceID != nil {
			instance = *m.InstanceID
		}
		members = append(members, fmt.Sprint(m.ClientID, " ", m.ClientHost, " ", instance, " ", partitions))
	}
	sort.Strings(members)
	return fmt.Sprint(name, " ", described.Coordinator.NodeID, " ", described.State, " ", described.ProtocolType, " ",
		described.Protocol, " ", members, " ", described.Err)
}

func deleteGroup(name string) error { return Must(admin().DeleteGroups(ctx, name))[name].Err }

func commitAndResume(producer *kgo.Client) {
	first := join(group(), "range")
	WaitUntil("all records", func() bool { first.poll(); return len(first.seen) == 12 })
	Fact("nothing committed", offsets())
	Check(first.client.CommitUncommittedOffsets(ctx))
	Fact("committed", offsets())
	first.client.Close()
	for n := range 6 {
		send(producer, &kgo.Record{Topic: shared(), Partition: int32(n), Value: fmt.Appendf(nil, "second %d", n)})
	}
	second := join(group(), "range")
	WaitUntil("the new records", func() bool { second.poll(); return len(second.seen) == 6 })
	Fact("resumed", sorted(second.seen))
	second.client.Close()
}

func offsets() (all []string) {
	for _, offset := range Must(admin().FetchOffsets(ctx, group())).Sorted() {
		all = append(all, fmt.Sprint(offset.Partition, "@", offset.At, " epoch ", offset.LeaderEpoch, " ", offset.Metadata))
	}
	return all
}

// A static member stays in its group when it closes, and comes back as the same member.
func staticMember() {
	name := Prefix + "-static"
	for range 2 {
		m := join(name, "range", kgo.InstanceID("one"), kgo.SessionTimeout(45*time.Second))
		WaitUntil("all records", func() bool { m.poll(); return len(m.seen) == 18 })
		m.client.Close()
		Fact("static", describeGroup(name))
	}
	left := Must(admin().LeaveGroup(ctx, kadm.LeaveGroup(name).InstanceIDs("one")))
	Fact("removed", left["one"].Err, describeGroup(name))
	Check(deleteGroup(name))
}

func administer() {
	for _, listed := range Must(admin().ListGroups(ctx)).Sorted() {
		if strings.HasPrefix(listed.Group, Prefix) {
			Fact("listed", listed.Group, listed.State, listed.ProtocolType)
		}
	}
	Fact("unknown group", describeGroup(Prefix+"-none"))
	moved := kadm.Offsets{}
	moved.AddOffset(shared(), 0, 1, -1)
	moved.AddOffset(shared(), 17, 1, -1)
	for _, result := range Must(admin().CommitOffsets(ctx, group(), moved)).Sorted() {
		Fact("moved", result.Partition, result.Err)
	}
	Fact("offsets", offsets())
	lags := Must(admin().Lag(ctx, group()))[group()]
	for _, lag := range lags.Lag.Sorted() {
		Fact("lag", lag.Partition, lag.Lag, lag.Err)
	}
	for topic, partitions := range Must(admin().DeleteOffsets(ctx, group(), kadm.TopicsSet{shared(): {0: {}}})) {
		Fact("deleted offsets", topic, partitions)
	}
	Fact("offsets", offsets())
	tooMuch := kadm.Offsets{}
	tooMuch.Add(kadm.Offset{Topic: shared(), Partition: 1, At: 1, LeaderEpoch: -1, Metadata: strings.Repeat("x", 5000)})
	for _, result := range Must(admin().CommitOffsets(ctx, Prefix+"-simple", tooMuch)).Sorted() {
		Fact("too much metadata", result.Err)
	}
	Refused("delete", deleteGroup(group()))
	Refused("delete again", deleteGroup(group()))
}

func farewell() {
	before := kadm.Offsets{}
	before.AddOffset(orders(), 0, 3, -1)
	before.AddOffset(orders(), 1, 100, -1)
	for _, deleted := range Must(admin().DeleteRecords(ctx, before)).Sorted() {
		Fact("deleted records", deleted.Partition, deleted.LowWatermark, deleted.Err)
	}
	for _, topic := range []string{orders(), codecs(), shared()} {
		Check(Must(admin().DeleteTopics(ctx, topic))[topic].Err)
	}
	unknown := Must(admin().DeleteTopics(ctx, Prefix+"-unknown"))[Prefix+"-unknown"]
	Fact("delete an unknown topic", unknown.Err, errors.Is(unknown.Err, kerr.UnknownTopicOrPartition))
	WaitUntil("no topics", func() bool { return len(ownTopics()) == 0 })
}

// beAMember consumes until the process is killed.
func beAMember(strategy string) {
	m := join(group(), strategy)
	for {
		m.poll()
	}
}
