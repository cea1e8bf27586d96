// The story through sarama: `sarama BOOTSTRAP PREFIX [CHAPTER...]`, or `member STRATEGY`.
package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	. "broker.tests/facts"
	"github.com/IBM/sarama"
)

func orders() string { return Prefix + "-orders" }
func codecs() string { return Prefix + "-codecs" }
func shared() string { return Prefix + "-shared" }
func group() string  { return Prefix + "-group" }

func main() {
	Tell(beAMember, []Chapter{{"topics", topics}, {"configs", configs}, {"produce", produce}, {"consume", consume},
		{"groups", groups}, {"farewell", farewell}})
}

func config(changes ...func(*sarama.Config)) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.ClientID = "story"
	config.Producer.Return.Successes = true
	config.Metadata.AllowAutoTopicCreation = false
	config.Metadata.Retry.Max = 1
	config.Producer.Retry.Max = 1
	for _, change := range changes {
		change(config)
	}
	return config
}

var admin = sync.OnceValue(func() sarama.ClusterAdmin {
	return Must(sarama.NewClusterAdmin([]string{Bootstrap}, config()))
})

func newClient(changes ...func(*sarama.Config)) sarama.Client {
	return Must(sarama.NewClient([]string{Bootstrap}, config(changes...)))
}

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
	Fact("topics", ownTopics())
	detail := Must(admin().ListTopics())[orders()]
	Fact("listed", detail.NumPartitions, detail.ReplicationFactor, entries(detail.ConfigEntries))
	brokers, controller, err := admin().DescribeCluster()
	Check(err)
	for _, broker := range brokers {
		Fact("cluster", controller, broker.ID(), broker.Addr(), broker.Rack())
	}
	for _, topic := range Must(admin().DescribeTopics([]string{orders(), Prefix + "-unknown"})) {
		Fact("described", topic.Name, topic.Err, topic.IsInternal)
		sort.Slice(topic.Partitions, func(i, j int) bool { return topic.Partitions[i].ID < topic.Partitions[j].ID })
		for _, p := range topic.Partitions {
			Fact("partition", p.ID, p.Err, p.Leader, p.Replicas, p.Isr, p.OfflineReplicas)
		}
	}
	for _, dirs := range Must(admin().DescribeLogDirs([]int32{brokers[0].ID()})) {
		Fact("log directories", len(dirs), dirs[0].ErrorCode)
	}
}

func create(topic string, partitions int32, replicas int16, configs map[string]*string) error {
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: replicas, ConfigEntries: configs}
	return admin().CreateTopic(topic, detail, false)
}

func ownTopics() (own []string) {
	for name := range Must(admin().ListTopics()) {
		if strings.HasPrefix(name, Prefix) {
			own = append(own, name)
		}
	}
	sort.Strings(own)
	return own
}

func entries(configs map[string]*string) (all []string) {
	for name, value := range configs {
		all = append(all, name+"="+*value)
	}
	sort.Strings(all)
	return all
}

func describeConfigs(topic string) ([]sarama.ConfigEntry, error) {
	found, err := admin().DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	sort.Slice(found, func(i, j int) bool { return found[i].Name < found[j].Name })
	return found, err
}

func configs() {
	for _, entry := range Must(describeConfigs(orders())) {
		synonyms := []string{}
		for _, synonym := range entry.Synonyms {
			synonyms = append(synonyms, fmt.Sprint(synonym.ConfigName, "=", synonym.ConfigValue, " ", synonym.Source))
		}
		Fact("config", entry.Name, entry.Value, entry.Source, entry.Default, entry.ReadOnly, entry.Sensitive, synonyms)
	}
	hour, soon, unlimited, small := "3600000", "soon", "-1", "20000"
	Check(admin().AlterConfig(sarama.TopicResource, orders(),
		map[string]*string{"segment.ms": &hour, "retention.ms": &unlimited, "max.message.bytes": &small}, false))
	WaitUntil("the change", func() bool { return value("segment.ms") == hour })
	Refused("alter with a wrong value", admin().AlterConfig(sarama.TopicResource, orders(), map[string]*string{"retention.ms": &soon}, false))
	set := func(name string, value *string, operation sarama.IncrementalAlterConfigsOperation) error {
		return admin().IncrementalAlterConfig(sarama.TopicResource, orders(),
			map[string]sarama.IncrementalAlterConfigsEntry{name: {Operation: operation, Value: value}}, false)
	}
	Refused("delete a config", set("segment.ms", nil, sarama.IncrementalAlterConfigsOperationDelete))
	WaitUntil("the change back", func() bool { return value("segment.ms") == "604800000" })
	Refused("append to what is no list", set("retention.ms", &small, sarama.IncrementalAlterConfigsOperationAppend))
	_, err := describeConfigs(Prefix + "-unknown")
	Refused("configs of an unknown topic", err)
	Check(admin().CreatePartitions(orders(), 4, nil, false))
	WaitUntil("four partitions", func() bool { return Must(admin().ListTopics())[orders()].NumPartitions == 4 })
	Refused("fewer partitions", admin().CreatePartitions(orders(), 2, nil, false))
}

func value(name string) string {
	for _, entry := range Must(describeConfigs(orders())) {
		if entry.Name == name {
			return entry.Value
		}
	}
	return ""
}

func send(producer sarama.SyncProducer, message *sarama.ProducerMessage) string {
	partition, offset, err := producer.SendMessage(message)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(partition, "@", offset)
}

func newProducer(partitioner sarama.PartitionerConstructor, changes ...func(*sarama.Config)) sarama.SyncProducer {
	changes = append(changes, func(c *sarama.Config) { c.Producer.Partitioner = partitioner })
	return Must(sarama.NewSyncProducer([]string{Bootstrap}, config(changes...)))
}

func produce() {
	keyed, manual := newProducer(sarama.NewHashPartitioner), newProducer(sarama.NewManualPartitioner)
	defer keyed.Close()
	defer manual.Close()
	at := func(second int64) time.Time { return time.UnixMilli(Epoch + second*1000) }
	headers := []sarama.RecordHeader{{Key: []byte("h"), Value: []byte("one")}, {Key: []byte("h"), Value: []byte("two")}, {Key: []byte("null")}}
	for n := range 8 {
		message := &sarama.ProducerMessage{Topic: orders(), Key: sarama.StringEncoder(fmt.Sprint("key-", n%5)),
			Value: sarama.StringEncoder(fmt.Sprint("value ", n)), Timestamp: at(int64(n))}
		if n%4 == 0 {
			message.Headers = headers
		}
		Fact("keyed", n, send(keyed, message))
	}
	Fact("no key", send(manual, &sarama.ProducerMessage{Topic: orders(), Value: sarama.StringEncoder("alone"), Timestamp: at(8)}))
	Fact("tombstone", send(manual, &sarama.ProducerMessage{Topic: orders(), Key: sarama.StringEncoder("key-1"), Timestamp: at(9)}))
	Fact("empty", send(manual, &sarama.ProducerMessage{Topic: orders(), Key: sarama.StringEncoder(""), Value: sarama.StringEncoder(""), Timestamp: at(10)}))
	Fact("too large", send(manual, &sarama.ProducerMessage{Topic: orders(), Value: sarama.ByteEncoder(make([]byte, 50_000))}))
	Fact("unknown topic", send(keyed, &sarama.ProducerMessage{Topic: Prefix + "-unknown", Value: sarama.StringEncoder("lost")}))
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy,
		sarama.CompressionLZ4, sarama.CompressionZSTD} {
		for _, acks := range []string{"0", "1", "all", "idempotent"} {
			produceWith(codec, acks)
		}
	}
}

func produceWith(codec sarama.CompressionCodec, acks string) {
	required := map[string]sarama.RequiredAcks{"0": sarama.NoResponse, "1": sarama.WaitForLocal}
	producer := newProducer(sarama.NewManualPartitioner, func(c *sarama.Config) {
		c.Producer.Compression = codec
		c.Producer.RequiredAcks = sarama.WaitForAll
		if chosen, ok := required[acks]; ok {
			c.Producer.RequiredAcks = chosen
		}
		c.Producer.Idempotent = acks == "idempotent"
		c.Net.MaxOpenRequests = 1
	})
	defer producer.Close()
	start, messages := offset(codecs(), sarama.OffsetNewest), []*sarama.ProducerMessage{}
	for n := range 20 {
		value := strings.Repeat(fmt.Sprint(codec, " ", acks, " ", n, " "), 20)
		messages = append(messages, &sarama.ProducerMessage{Topic: codecs(), Value: sarama.StringEncoder(value)})
	}
	Check(producer.SendMessages(messages), codec, acks)
	WaitUntil("delivery", func() bool { return offset(codecs(), sarama.OffsetNewest) == start+20 })
	Fact("codec", codec, "acks", acks, messages[0].Offset, messages[19].Offset, "up to", start+20)
}

var offsetClient = sync.OnceValue(func() sarama.Client { return newClient() })

func offset(topic string, time int64) int64 { return Must(offsetClient().GetOffset(topic, 0, time)) }

// read gives the records of a partition in order.
func read(topic string, partition int32, from int64, count int, changes ...func(*sarama.Config)) ([]*sarama.ConsumerMessage, error) {
	changes = append(changes, func(c *sarama.Config) { c.Consumer.MaxWaitTime = 100 * time.Millisecond })
	consumer := Must(sarama.NewConsumer([]string{Bootstrap}, config(changes...)))
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, partition, from)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	records := []*sarama.ConsumerMessage{}
	for len(records) < count {
		select {
		case record := <-reader.Messages():
			records = append(records, record)
		case <-time.After(time.Minute):
			return nil, fmt.Errorf("only %d records", len(records))
		}
	}
	return records, nil
}

func consume() {
	end := offsetClient()
	for partition := range int32(4) {
		count := Must(end.GetOffset(orders(), partition, sarama.OffsetNewest))
		for _, r := range Must(read(orders(), partition, sarama.OffsetOldest, int(count))) {
			headers := []string{}
			for _, header := range r.Headers {
				headers = append(headers, string(header.Key)+"="+text(header.Value))
			}
			Fact("record", fmt.Sprint(r.Partition, "@", r.Offset), text(r.Key), text(r.Value), headers, r.Timestamp.UnixMilli())
		}
	}
	committed := func(c *sarama.Config) { c.Consumer.IsolationLevel = sarama.ReadCommitted }
	records := Must(read(codecs(), 0, sarama.OffsetOldest, 400, committed))
	values := map[string]bool{}
	for n, record := range records {
		values[string(record.Value)] = true
		if record.Offset != int64(n) {
			Fact("out of order", n, record.Offset)
		}
	}
	Fact("codecs", len(records), len(values))
	Fact("from an offset", Must(read(codecs(), 0, 77, 1))[0].Offset)
	for _, time := range []int64{0, Epoch + 8500, Epoch + 3_600_000, sarama.OffsetOldest, sarama.OffsetNewest} {
		Fact("offset at", time, offset(orders(), time))
	}
	_, err := read(codecs(), 0, 1000, 1)
	Refused("out of range", err)
	_, err = read(Prefix+"-unknown", 0, 0, 1)
	Refused("unknown topic", err)
}

func text(bytes []byte) string {
	if bytes == nil {
		return "null"
	}
	return fmt.Sprintf("%q", bytes)
}

// member is a consumer of a group; it tells what it owns and what it has seen.
type member struct {
	group  sarama.ConsumerGroup
	stop   context.CancelFunc
	ended  chan struct{}
	mutex  sync.Mutex
	owned  int
	seen   map[string]bool
	commit func()
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.owned, m.commit = len(session.Claims()[shared()]), session.Commit
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.owned = 0
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case r, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			m.mutex.Lock()
			m.seen[fmt.Sprintf("%d@%d %s", r.Partition, r.Offset, r.Value)] = true
			m.mutex.Unlock()
			session.MarkMessage(r, "noted")
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) state() (int, []string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	seen := []string{}
	for record := range m.seen {
		seen = append(seen, record)
	}
	sort.Strings(seen)
	return m.owned, seen
}

var strategies = map[string]func() sarama.BalanceStrategy{
	"range": sarama.NewBalanceStrategyRange, "roundrobin": sarama.NewBalanceStrategyRoundRobin, "sticky": sarama.NewBalanceStrategySticky,
}

func join(name, strategy string, changes ...func(*sarama.Config)) *member {
	ctx, stop := context.WithCancel(context.Background())
	m := &member{stop: stop, ended: make(chan struct{}), seen: map[string]bool{}}
	changes = append([]func(*sarama.Config){func(c *sarama.Config) {
		c.ClientID = "member"
		c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategies[strategy]()}
		c.Consumer.Group.Session.Timeout = 6 * time.Second
		c.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
		c.Consumer.Offsets.Initial = sarama.OffsetOldest
		c.Consumer.Offsets.AutoCommit.Enable = false
		c.Consumer.MaxWaitTime = 100 * time.Millisecond
	}}, changes...)
	m.group = Must(sarama.NewConsumerGroup([]string{Bootstrap}, name, config(changes...)))
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			Check(m.group.Consume(ctx, []string{shared()}, m), "consume")
		}
	}()
	return m
}

func (m *member) leave() {
	m.stop()
	<-m.ended
	Check(m.group.Close(), "leave")
}

func groups() {
	producer := newProducer(sarama.NewManualPartitioner)
	defer producer.Close()
	fill := func(word string, count int) {
		for n := range count {
			send(producer, &sarama.ProducerMessage{Topic: shared(), Partition: int32(n % 6), Value: sarama.StringEncoder(fmt.Sprint(word, " ", n))})
		}
	}
	fill("first", 12)
	for _, strategy := range []string{"range", "sticky"} {
		oneIsKilled(strategy)
	}
	first := join(group(), "range")
	waitFor(first, 12)
	Fact("nothing committed", offsets())
	first.commit()
	Fact("committed", offsets())
	first.leave()
	fill("second", 6)
	second := join(group(), "range")
	Fact("resumed", waitFor(second, 6))
	second.leave()
	staticMember()
	administer()
}

func waitFor(m *member, count int) (seen []string) {
	WaitUntil("records", func() bool { _, seen = m.state(); return len(seen) == count })
	return seen
}

func oneIsKilled(strategy string) {
	members := []*member{join(group(), strategy), join(group(), strategy)}
	kill := StartMember(strategy)
	share := func(expected int) bool {
		both := map[string]bool{}
		for _, m := range members {
			owned, seen := m.state()
			if owned != expected {
				return false
			}
			for _, record := range seen {
				both[record] = true
			}
		}
		return expected == 2 || len(both) == 12
	}
	WaitUntil("three members", func() bool { return share(2) && strings.Contains(describeGroup(group()), "Stable") })
	Fact("three members", describeGroup(group()))
	Refused("delete a group with members", admin().DeleteConsumerGroup(group()))
	kill()
	WaitUntil("the others take over", func() bool { return share(3) })
	Fact("one was killed", describeGroup(group()))
	for _, m := range members {
		m.leave()
	}
	Fact("all left", describeGroup(group()))
}

func describeGroup(name string) string {
	described := Must(admin().DescribeConsumerGroups([]string{name}))[0]
	members := []string{}
	for _, m := range described.Members {
		partitions := 0
		if assignment, err := m.GetMemberAssignment(); err == nil && assignment != nil {
			partitions = len(assignment.Topics[shared()])
		}
		members = append(members, fmt.Sprint(m.ClientId, " ", m.ClientHost, " ", partitions))
	}
	sort.Strings(members)
	return fmt.Sprint(name, " ", described.Err, " ", described.State, " ", described.ProtocolType, " ", described.Protocol, " ", members)
}

func offsets() (all []string) {
	fetched := Must(admin().ListConsumerGroupOffsets(group(), map[string][]int32{shared(): {0, 1, 2, 3, 4, 5}}))
	for partition := range int32(6) {
		block := fetched.GetBlock(shared(), partition)
		all = append(all, fmt.Sprint(partition, "@", block.Offset, " epoch ", block.LeaderEpoch, " ", block.Metadata, " ", block.Err))
	}
	return all
}

// A static member stays in its group when it closes, and comes back as the same member.
func staticMember() {
	name := Prefix + "-static"
	for range 2 {
		m := join(name, "range", func(c *sarama.Config) {
			c.Consumer.Group.InstanceId = "one"
			c.Consumer.Group.Session.Timeout = 45 * time.Second
		})
		waitFor(m, 18)
		m.leave()
		Fact("static", describeGroup(name))
	}
	removed := Must(admin().RemoveMemberFromConsumerGroup(name, []string{"one"}))
	Fact("removed", removed.Err, removed.Members[0].Err, describeGroup(name))
	Check(admin().DeleteConsumerGroup(name))
}

func administer() {
	for name, kind := range Must(admin().ListConsumerGroups()) {
		if name == group() {
			Fact("listed", name, kind)
		}
	}
	Fact("unknown group", describeGroup(Prefix+"-none"))
	Refused("delete an offset", admin().DeleteConsumerGroupOffset(group(), shared(), 0))
	Fact("offsets", offsets())
	Refused("delete", admin().DeleteConsumerGroup(group()))
	Refused("delete again", admin().DeleteConsumerGroup(group()))
}

func farewell() {
	Refused("delete records", admin().DeleteRecords(orders(), map[int32]int64{0: 3}))
	Fact("after deleting records", offset(orders(), sarama.OffsetOldest))
	Refused("delete too many records", admin().DeleteRecords(orders(), map[int32]int64{1: 100}))
	for _, topic := range ownTopics() {
		Check(admin().DeleteTopic(topic))
	}
	Refused("delete an unknown topic", admin().DeleteTopic(Prefix+"-unknown"))
	WaitUntil("no topics", func() bool { return len(ownTopics()) == 0 })
}

// beAMember consumes until the process is killed.
func beAMember(strategy string) { join(group(), strategy) }
