"""What bench/run is made of: processes, load, the systems that are measured, the rows of the table, the report."""
