"""The built-in tasks, one a file; they register under the entry points `ruxi.tasks` as everybody's do."""
