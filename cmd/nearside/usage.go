package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nearside/agent/config/strict"
	"nearside/cmd/nearside/shell"
	"nearside/policy/meant"
)

// markUsage makes wrong arguments and unknown commands a usage error.
func markUsage(c *cobra.Command) {
	if c.HasSubCommands() && c.RunE == nil {
		c.Args = knownCommand
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	if c.Name() == "help" {
		c.Args = helpTopic
	}
	check := c.Args
	if check == nil {
		check = cobra.ArbitraryArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := cmp.Or(argumentError(c, check(c, args)), c.ValidateRequiredFlags(), c.ValidateFlagGroups()); err != nil {
			return shell.Usage("%w; see %s --help", err, c.CommandPath())
		}
		return nil
	}
	for _, sub := range c.Commands() {
		markUsage(sub)
	}
}

// argumentError says of arguments that are too few, too many or unknown which
// would be right.
func argumentError(c *cobra.Command, err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), " arg(s), "):
		return fmt.Errorf("%w: it is called as %s", err, strings.TrimSuffix(c.UseLine(), " [flags]"))
	case strings.HasPrefix(err.Error(), "invalid argument") && len(c.ValidArgs) > 0:
		return fmt.Errorf("%w: %s", err, strict.Suggest(c.Flags().Arg(0), c.ValidArgs))
	}
	return err
}

// knownCommand refuses the arguments of a command that has others under it: the
// first is one that is not there.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), didYouMean(args[0], names, ""))
}

// didYouMean names the word that is close to the one, behind what they all begin
// with; "" when none is.
func didYouMean(word string, known []string, prefix string) string {
	i := meant.Closest(word, known)
	if i < 0 {
		return ""
	}
	return " (did you mean " + prefix + known[i] + "?)"
}

// helpTopic checks that the arguments name a command.
func helpTopic(c *cobra.Command, args []string) error {
	if _, rest, err := c.Root().Find(args); err != nil || len(rest) > 0 {
		return fmt.Errorf("there is no command %q", strings.Join(args, " "))
	}
	return nil
}

// flagError says of a flag what is wrong with it and what would be right: by its
// type, or the flag that was meant.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		err = fmt.Errorf("%w%s", err, didYouMean(unknown.GetSpecifiedName(), names, "--"))
	}
	var value interface{ GetValue() string }
	if errors.As(err, &value) {
		_, rest, _ := strings.Cut(err.Error(), "--")
		name, _, _ := strings.Cut(rest, `"`)
		if f := c.Flags().Lookup(name); f != nil && wants(f.Value.Type()) != "" {
			err = fmt.Errorf("--%s is %q: want %s", name, value.GetValue(), wants(f.Value.Type()))
		}
	}
	return shell.Usage("%w; see %s --help", err, c.CommandPath())
}

// wants says what a flag of a type takes, "" where that is not plain.
func wants(kind string) string {
	switch strings.TrimSuffix(kind, "Slice") {
	case "duration":
		return "a time such as 90s, 30m or 24h"
	case "int", "int64", "uint64":
		return "a whole number"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	}
	return ""
}
