"""What befalls a chaos run beside its workload: faults, forgeries, and what people do meanwhile."""
