package twofold_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"nearside/cloud/steer"
	"nearside/cmd/nearside/twofold"
	"nearside/policy/seal"
	"nearside/store"
)

const childEnv = "TWOFOLD_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child()
	}
	os.Exit(m.Run())
}

// deadly ends the process by SIGKILL at one of its saves: before it, while it
// is underway, or after it.
type deadly struct {
	steer.Keeper
	n, at int
	how   string
}

func (k *deadly) Save(ctx context.Context, b []byte) error {
	k.n++
	if k.n != k.at {
		return k.Keeper.Save(ctx, b)
	}
	switch k.how {
	case "before":
		die()
	case "during": // each number of the save another moment
		time.AfterFunc(time.Duration(k.at*k.at)*20*time.Microsecond, die)
	}
	if err := k.Keeper.Save(ctx, b); err != nil {
		return err
	}
	die()
	return nil
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// child takes all policies of a folder and says each on its output.
func child() {
	dir := os.Getenv(childEnv)
	at, err := strconv.Atoi(os.Args[1])
	if err == nil {
		err = offerAll(dir, func(k steer.Keeper) steer.Keeper { return &deadly{Keeper: k, at: at, how: os.Args[2]} }, func(s *steer.Steer) error {
			for v := 1; v <= 3; v++ {
				b, err := os.ReadFile(filepath.Join(dir, fmt.Sprint("policy", v)))
				if err != nil {
					return err
				}
				if _, err := s.Offer(context.Background(), b, "test"); err != nil {
					return err
				}
				fmt.Println(v)
			}
			return nil
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// offerAll runs a device whose state is in the folder, with a real store.
func offerAll(dir string, wrap func(steer.Keeper) steer.Keeper, do func(*steer.Steer) error) error {
	db, err := store.Open(context.Background(), store.Options{Dir: filepath.Join(dir, "state")})
	if err != nil {
		return err
	}
	root, err := os.ReadFile(filepath.Join(dir, "root"))
	if err != nil {
		return err
	}
	s, err := steer.New(steer.Options{
		Device: seal.Device{Tenant: "t", Channel: "c", ID: "d"}, Root: root, Subject: subject{},
		Keeper: wrap(twofold.New(filepath.Join(dir, "state", "policy"), func(context.Context) (twofold.Facts, error) { return db, nil })),
		Clock:  func() seal.Evidence { return seal.Evidence{Wall: time.Now(), Build: time.Now().Add(-time.Hour)} },
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- db.Run(ctx) }()
	steered := make(chan error, 1)
	go func() { steered <- s.Run(ctx) }()
	err = do(s)
	cancel()
	for _, e := range []error{<-steered, <-ended, db.Close()} {
		if err == nil {
			err = e
		}
	}
	return err
}

// TestKilledAtEverySave: a real process with a real store is killed before,
// during and after each of its saves. What it said that it took, it has; the
// next process goes on from there.
func TestKilledAtEverySave(t *testing.T) {
	kills := 0
	for at := 1; at <= 12; at++ {
		for _, how := range []string{"before", "during", "after"} {
			c := newCar(t)
			dir := t.TempDir()
			fatal(t, os.WriteFile(filepath.Join(dir, "root"), c.root, 0o600))
			fatal(t, os.Mkdir(filepath.Join(dir, "state"), 0o700))
			for v := range 3 {
				fatal(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("policy", v+1)), c.policy(t, int64(v+1)), 0o600))
			}
			said, killed := c.killed(t, dir, at, how)
			if killed {
				kills++
			}
			err := offerAll(dir, func(k steer.Keeper) steer.Keeper { return k }, func(s *steer.Steer) error {
				if said > 1 {
					if _, err := s.Offer(t.Context(), c.policy(t, said-1), "test"); seal.Reason(err) != seal.OlderVersion {
						t.Errorf("save %d, %s: it took %d, and then %d: %v", at, how, said, said-1, err)
					}
				}
				_, err := s.Offer(t.Context(), c.policy(t, 4), "test")
				if v := s.Status().Version; err == nil && v != 4 {
					t.Errorf("save %d, %s: in force is %d, want 4", at, how, v)
				}
				return err
			})
			if err != nil {
				t.Errorf("save %d, %s: the next process: %v", at, how, err)
			}
		}
	}
	if kills < 24 {
		t.Errorf("%d processes were killed; the others had done all before", kills)
	}
}

// killed runs the child and returns the last version that it said it took.
func (c *car) killed(t *testing.T, dir string, at int, how string) (said int64, killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], fmt.Sprint(at), how)
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.Output()
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		said, _ = strconv.ParseInt(lines.Text(), 10, 64) // what is no number is nothing said
	}
	if err != nil && told.Len() > 0 {
		t.Errorf("save %d, %s: %s", at, how, told.String())
	}
	return said, err != nil
}
