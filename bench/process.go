package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc: a hundredth of a second on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// cpuOf is the processor time of a process and its children, in user and in system mode, since they began.
func cpuOf(pid int) (time.Duration, error) {
	var ticks int64
	for _, each := range familyOf(pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", each))
		if err != nil {
			continue // a child that has just ended: the parent has its time
		}
		spent, err := ticksOf(text)
		if err != nil {
			return 0, err
		}
		ticks += spent
	}
	return time.Duration(ticks) * clockTick, nil
}

// ticksOf reads utime, stime and those of children that were waited for from the text of /proc/PID/stat. The name before
// them may hold anything, brackets too.
func ticksOf(stat []byte) (int64, error) {
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(fields) < 15 {
		return 0, fmt.Errorf("%.40q is no process", stat)
	}
	var sum int64
	for _, field := range fields[11:15] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// memoryOf is the resident memory of a process and its children, in bytes.
func memoryOf(pid int) int64 {
	var pages int64
	for _, each := range familyOf(pid) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", each))
		var size, resident int64
		_, _ = fmt.Sscan(string(text), &size, &resident) // one that has ended holds nothing
		pages += resident
	}
	return pages * int64(os.Getpagesize())
}

// familyOf is a process and all below it.
func familyOf(pid int) []int {
	family := []int{pid}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				family = append(family, familyOf(child)...)
			}
		}
	}
	return family
}
