// Package facts is what the Go stories share: facts as lines, chapters, conditions to wait for, and
// members to kill.
package facts

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Epoch is the time of the first record: looking times up gives the same offset in every run.
const Epoch = 1_700_000_000_000

// Where the broker is, and what all names of this run begin with.
var Bootstrap, Prefix string

// Replicas is how many each topic has.
var Replicas int16

// Chapter is a part of the story.
type Chapter struct {
	Name string
	Tell func()
}

// Tell runs the chapters that the command line names, or all of them in order. As `member STRATEGY`
// the process is a member of the group until it is killed.
func Tell(member func(strategy string), chapters []Chapter) {
	Bootstrap, Prefix = os.Args[1], os.Args[2]
	Replicas = int16(Must(strconv.Atoi(os.Getenv("REPLICAS"))))
	chosen := os.Args[3:]
	if len(chosen) == 2 && chosen[0] == "member" {
		member(chosen[1])
		select {}
	}
	for _, chapter := range chapters {
		if len(chosen) == 0 || strings.Contains(" "+strings.Join(chosen, " ")+" ", " "+chapter.Name+" ") {
			Fact("chapter", chapter.Name)
			chapter.Tell()
		}
	}
	Fact("end", "of the story")
}

// Fact prints one observed fact.
func Fact(name string, values ...any) {
	line := fmt.Sprintln(values...)
	fmt.Println(name + ": " + strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\n", " "))
}

// Refused prints how an action failed; that it did not fail is a fact too.
func Refused(name string, err error) {
	if err == nil {
		Fact(name, "accepted")
		return
	}
	Fact(name, err)
}

// Check ends the story when something fails that must not.
func Check(err error, what ...any) {
	if err != nil {
		Fact("failed", append(what, err)...)
		os.Exit(1)
	}
}

// Must gives the value of an action that must not fail.
func Must[T any](value T, err error) T {
	Check(err)
	return value
}

// WaitUntil checks a condition, which does some of the work itself, until it holds.
func WaitUntil(name string, condition func() bool) {
	deadline := time.Now().Add(time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			Fact(name, "did not happen")
			os.Exit(1)
		}
		time.Sleep(10 * time.Millisecond) // a condition that only looks must not spin
	}
}

// StartMember starts a member of the group in a process of its own, and gives what kills it.
func StartMember(strategy string) (kill func()) {
	process := exec.Command(os.Args[0], Bootstrap, Prefix, "member", strategy)
	Check(process.Start(), "start a member")
	return func() {
		Check(process.Process.Kill(), "kill the member")
		_ = process.Wait() // it was killed, which Wait calls an error
	}
}
