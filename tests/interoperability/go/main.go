// The main job through franz-go, unmodified: create, produce in every way, consume from everywhere,
// configure, grow, delete. Exits with 1 and a sentence at the first thing that is not as expected.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const topic = "franz"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	bootstrap := os.Args[1]
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	check(err, "new client")
	defer client.Close()
	admin := kadm.NewClient(client)

	segmentMs := "3600000"
	_, err = admin.CreateTopic(ctx, 3, 1, map[string]*string{"segment.ms": &segmentMs}, topic)
	check(err, "create the topic")
	started := time.Now()
	produceEveryWay(ctx, bootstrap)
	consumeFromEverywhere(ctx, bootstrap, admin, started)
	configureGrowDelete(ctx, admin)
	fmt.Println("ok")
}

type codec struct {
	name string
	opt  kgo.CompressionCodec
}

func produceEveryWay(ctx context.Context, bootstrap string) {
	codecs := []codec{
		{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()}, {"snappy", kgo.SnappyCompression()},
		{"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()},
	}
	acks := []struct {
		name string
		opts []kgo.Opt
	}{
		{"0", []kgo.Opt{kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite()}},
		{"1", []kgo.Opt{kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()}},
		{"all", nil}, // idempotent, franz-go's default
	}
	for _, codec := range codecs {
		for _, ack := range acks {
			opts := append([]kgo.Opt{
				kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(codec.opt),
				kgo.RecordPartitioner(kgo.ManualPartitioner()),
			}, ack.opts...)
			producer, err := kgo.NewClient(opts...)
			check(err, "new producer")
			for i := 0; i < 10; i++ {
				record := &kgo.Record{
					Topic: topic, Partition: 0, Value: []byte(value(codec.name, ack.name, i)),
					Headers: []kgo.RecordHeader{
						{Key: "h", Value: []byte("one")}, {Key: "h", Value: []byte("two")}, {Key: "null", Value: nil},
					},
				}
				if i%2 == 0 {
					record.Key = []byte("key")
				}
				check(producer.ProduceSync(ctx, record).FirstErr(), "produce %s acks=%s", codec.name, ack.name)
			}
			producer.Close()
		}
	}
}

func value(codec, acks string, i int) string { return fmt.Sprintf("%s-%s-%d", codec, acks, i) }

const produced = 5 * 3 * 10

func consumeFromEverywhere(ctx context.Context, bootstrap string, admin *kadm.Client, started time.Time) {
	ends, err := admin.ListEndOffsets(ctx, topic)
	check(err, "list end offsets")
	end, _ := ends.Lookup(topic, 0)
	expect(end.Offset == produced, "the end offset is %d, not %d", end.Offset, produced)
	after, err := admin.ListOffsetsAfterMilli(ctx, started.UnixMilli(), topic)
	check(err, "list offsets by time")
	first, _ := after.Lookup(topic, 0)
	expect(first.Offset == 0, "the offset at the start time is %d", first.Offset)

	records := consume(ctx, bootstrap, kgo.NewOffset().AtStart(), produced)
	for n, record := range records {
		expect(record.Offset == int64(n), "record %d has offset %d", n, record.Offset)
		expect((record.Key == nil) == (n%2 == 1), "the key of record %d is %q", n, record.Key)
		h := record.Headers
		expect(len(h) == 3 && h[0].Key == "h" && h[1].Key == "h" && bytes.Equal(h[1].Value, []byte("two")) &&
			h[2].Value == nil, "record %d has headers %v", n, h)
	}
	middle := consume(ctx, bootstrap, kgo.NewOffset().At(77), 1)
	expect(middle[0].Offset == 77, "asked for offset 77, got %d", middle[0].Offset)
	byTime := consume(ctx, bootstrap, kgo.NewOffset().AfterMilli(started.UnixMilli()), 1)
	expect(byTime[0].Offset == 0, "asked for the first record, got %d", byTime[0].Offset)
	last := consume(ctx, bootstrap, kgo.NewOffset().AtEnd().Relative(-1), 1)
	expect(last[0].Offset == produced-1, "asked for the last record, got %d", last[0].Offset)
}

func consume(ctx context.Context, bootstrap string, from kgo.Offset, count int) []*kgo.Record {
	consumer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: from}}))
	check(err, "new consumer")
	defer consumer.Close()
	var records []*kgo.Record
	for len(records) < count {
		fetches := consumer.PollFetches(ctx)
		for _, e := range fetches.Errors() {
			check(e.Err, "fetch")
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func configureGrowDelete(ctx context.Context, admin *kadm.Client) {
	retention := "86400000"
	_, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &retention}}, topic)
	check(err, "alter configs")
	described, err := admin.DescribeTopicConfigs(ctx, topic)
	check(err, "describe configs")
	configs, err := described.On(topic, nil)
	check(err, "the topic's configs")
	values := map[string]string{}
	for _, config := range configs.Configs {
		values[config.Key] = config.MaybeValue()
	}
	expect(values["retention.ms"] == retention, "retention.ms is %q", values["retention.ms"])
	expect(values["segment.ms"] == "3600000", "segment.ms is %q", values["segment.ms"])

	grown, err := admin.UpdatePartitions(ctx, 5, topic)
	check(err, "grow")
	check(grown.Error(), "grow to 5 partitions")
	shrunk, err := admin.UpdatePartitions(ctx, 2, topic)
	check(err, "shrink")
	expect(shrunk.Error() != nil, "shrinking to 2 partitions was accepted")
	listed, err := admin.ListTopics(ctx, topic)
	check(err, "list")
	expect(len(listed[topic].Partitions) == 5, "%d partitions", len(listed[topic].Partitions))
	deleted, err := admin.DeleteTopics(ctx, topic)
	check(err, "delete")
	check(deleted.Error(), "delete the topic")
}

func check(err error, what string, args ...any) {
	expect(err == nil, "%s: %v", fmt.Sprintf(what, args...), err)
}

func expect(ok bool, message string, args ...any) {
	if !ok {
		fmt.Printf("not as expected: "+message+"\n", args...)
		os.Exit(1)
	}
}
