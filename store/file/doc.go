// Package file is one SQLite file that heals itself: what is damaged, foreign or
// from a newer version is moved aside at boot and an empty one takes its place; its
// schema is brought up to date; it stays within a quota and says how full and how
// healthy it is. It knows nothing of what is in the tables.
package file
